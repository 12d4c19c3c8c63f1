"""Plans of a few seconds, on real images, for the driver's tests, and how MLflow says their runs have ended."""

from dataclasses import replace

from pipeline.data.manifest import Manifest, load_manifest
from pipeline.running.campaign import plan_campaign
from pipeline.running.plans import RunPlan
from pipeline.settings import read_settings
from pipeline.tracking.store import open_store
from pipeline.workspace import Workspace


def smoke_plan(workspace: Workspace, *names: str, **changes: object) -> RunPlan:
    """The smoke profile for some references, two learning rates and two seeds each."""
    plan = plan_campaign(workspace, read_settings(workspace.params_file), names or ("lenet-small",), "smoke", None)
    return replace(plan, **changes)  # type: ignore[arg-type]


def manifest_of(workspace: Workspace) -> Manifest:
    """The manifest of the study's data."""
    return load_manifest(workspace.prepared_data / "fashion-mnist")


def statuses(workspace: Workspace) -> list[str]:
    """MLflow's status of every run that mirrors a training."""
    if not workspace.mlflow.exists():
        return []
    store = open_store(workspace.mlflow)
    return [
        run.info.status
        for experiment in store.experiments()
        for run in store.runs(experiment)
        if "convstudy.run" in run.data.tags
    ]
