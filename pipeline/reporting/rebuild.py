"""`convstudy replay`: MLflow made again from the workspace's run store, its records, and the storage of its studies."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.errors import ConvstudyError
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.files import read_json, write_json
from pipeline.reporting.charts.learning_curves import draw_learning_curves
from pipeline.reporting.mlflow_pages import show_report
from pipeline.schema import read_record
from pipeline.search.searches import stored_records
from pipeline.tracking.content import study_summary
from pipeline.tracking.replay import replay
from pipeline.workspace import Workspace


def rebuild_mlflow(workspace: Workspace, tell: Callable[[str], None]) -> dict[str, int]:
    """Make MLflow equal to the run store; returns how many runs were created, updated, unchanged and so on."""
    groups = [path for kind in ("runs", "experiments") for path in sorted((workspace.results / kind).glob("*.json"))]
    records = [read_record(GroupRecord, path) for path in groups]
    with TemporaryDirectory() as folder:
        figures = draw_learning_curves(records, Path(folder))
        searched = [(path, read_json(path)) for path in sorted((workspace.results / "studies").glob("*.json"))]
        searched += list(_stored(workspace, Path(folder), tell))
        studies = {record["study"]: study_summary(record, {"": [path]}) for path, record in searched if record}
        done = replay(RunStore(workspace.runs), workspace.mlflow, records, tell, figures, studies)
    show_report(workspace, tell)
    return asdict(done)


def _stored(workspace: Workspace, folder: Path, tell: Callable[[str], None]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The records of the storage's studies, written into `folder`; one that cannot be read is told of."""
    try:
        records = list(stored_records(workspace, None))
    except ConvstudyError as error:
        tell(f"studies are left out: {error}")
        return
    for number, record in enumerate(records):
        path = folder / f"{number}" / "study.json"
        write_json(path, record)
        yield path, record
