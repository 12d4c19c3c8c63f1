"""`convstudy replay`: rebuilds MLflow from the run store, the records and the stored studies of a workspace."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import ConvstudyError
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import StudyRecord
from pipeline.reporting.charts.learning_curves import draw_learning_curves
from pipeline.reporting.mlflow_pages import measured_networks, show_report, study_files
from pipeline.schema import read_optional, read_record
from pipeline.search.searches import stored_records
from pipeline.tracking.replay import replay
from pipeline.tracking.summaries import study_summary
from pipeline.workspace import Workspace


def rebuild_mlflow(workspace: Workspace, tell: Callable[[str], None]) -> dict[str, int]:
    """Make MLflow match the run store; returns how many runs were created, updated, unchanged and so on."""
    groups = [path for kind in ("runs", "experiments") for path in sorted((workspace.results / kind).glob("*.json"))]
    records = [read_record(GroupRecord, path) for path in groups]
    with TemporaryDirectory() as folder:
        figures = draw_learning_curves(records, Path(folder))
        written = sorted((workspace.results / "studies").glob("*.json"))
        searched = [read_optional(StudyRecord, path) for path in written] + _stored(workspace, tell)
        latest = {record.study: record for record in searched if record is not None}
        studies = {
            name: study_summary(record, study_files(record, Path(folder, f"study-{number}")))
            for number, (name, record) in enumerate(latest.items())
        }
        costs = measured_networks(workspace)
        done = replay(RunStore(workspace.runs), workspace.mlflow, records, tell, figures, studies, costs)
    show_report(workspace, tell)
    return asdict(done)


def _stored(workspace: Workspace, tell: Callable[[str], None]) -> list[StudyRecord]:
    """The records of stored studies; reports a storage that cannot be read."""
    try:
        return list(stored_records(workspace, None))
    except ConvstudyError as error:
        tell(f"studies are left out: {error}")
        return []
