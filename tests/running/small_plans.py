"""Plans of a few seconds, on real images, for the driver's tests, and how MLflow says their runs have ended."""

from dataclasses import replace

from pipeline.data.manifest import Manifest, load_manifest
from pipeline.running.campaign import plan_campaign
from pipeline.running.plans import RunPlan
from pipeline.settings import read_settings
from pipeline.tracking.store import open_store
from pipeline.workspace import Workspace


def smoke_plan(place: Workspace, *names: str, **changes: object) -> RunPlan:
    """The smoke profile for some references, two learning rates and two seeds each."""
    plan = plan_campaign(place, read_settings(place.params_file), names or ("lenet-small",), "smoke", None)
    return replace(plan, **changes)  # type: ignore[arg-type]


def manifest_of(place: Workspace) -> Manifest:
    """The manifest of the study's data."""
    return load_manifest(place.prepared_data / "fashion-mnist")


def statuses(place: Workspace) -> list[str]:
    """MLflow's status of every run that mirrors a training."""
    if not place.mlflow.exists():
        return []
    store = open_store(place.mlflow)
    return [
        run.info.status
        for experiment in store.experiments()
        for run in store.runs(experiment)
        if "convstudy.run" in run.data.tags
    ]
