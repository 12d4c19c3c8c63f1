"""Plans of a few seconds, on real images, for the driver's tests, and how MLflow says their runs have ended."""

import sqlite3
from contextlib import closing
from dataclasses import replace

from pipeline.data.manifest import Manifest, load_manifest
from pipeline.running.campaign import plan_campaign
from pipeline.running.plans import RunPlan
from pipeline.settings import read_settings
from pipeline.tracking.location import database_file
from pipeline.workspace import Workspace


def smoke_plan(workspace: Workspace, *names: str, **changes: object) -> RunPlan:
    """The smoke profile for some references, two learning rates and two seeds each."""
    plan = plan_campaign(workspace, read_settings(workspace.params_file), names or ("lenet-small",), "smoke", None)
    return replace(plan, **changes)  # type: ignore[arg-type]


def manifest_of(workspace: Workspace) -> Manifest:
    """The manifest of the study's data."""
    return load_manifest(workspace.prepared_data / "fashion-mnist")


def statuses(workspace: Workspace) -> list[str]:
    """MLflow's status of every run that mirrors a training, read without MLflow."""
    wanted = "SELECT status FROM runs JOIN tags USING (run_uuid) WHERE key = 'convstudy.run'"
    with closing(sqlite3.connect(database_file(workspace.mlflow))) as database:
        return [status for (status,) in database.execute(wanted)]
