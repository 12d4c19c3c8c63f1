"""`convstudy replay`: rebuilds MLflow from the run store, the records and the stored studies of a workspace."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import ConvstudyError
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import write_json
from pipeline.reporting.charts.learning_curves import draw_learning_curves
from pipeline.reporting.mlflow_pages import show_report
from pipeline.schema import read_optional, read_record, to_json
from pipeline.search.searches import stored_records
from pipeline.tracking.content import study_summary
from pipeline.tracking.replay import replay
from pipeline.workspace import Workspace


def rebuild_mlflow(workspace: Workspace, tell: Callable[[str], None]) -> dict[str, int]:
    """Make MLflow match the run store; returns how many runs were created, updated, unchanged and so on."""
    groups = [path for kind in ("runs", "experiments") for path in sorted((workspace.results / kind).glob("*.json"))]
    records = [read_record(GroupRecord, path) for path in groups]
    with TemporaryDirectory() as folder:
        figures = draw_learning_curves(records, Path(folder))
        written = sorted((workspace.results / "studies").glob("*.json"))
        searched = [(path, read_optional(StudyRecord, path)) for path in written]
        searched += list(_stored(workspace, Path(folder), tell))
        studies = {record.study: study_summary(record, {"": [path]}) for path, record in searched if record}
        done = replay(RunStore(workspace.runs), workspace.mlflow, records, tell, figures, studies)
    show_report(workspace, tell)
    return asdict(done)


def _stored(workspace: Workspace, folder: Path, tell: Callable[[str], None]) -> Iterator[tuple[Path, StudyRecord]]:
    """Write the records of stored studies into `folder`, and yield them; reports a storage that cannot be read."""
    try:
        records = list(stored_records(workspace, None))
    except ConvstudyError as error:
        tell(f"studies are left out: {error}")
        return
    for number, record in enumerate(records):
        path = folder / f"{number}" / "study.json"
        write_json(path, to_json(record))
        yield path, record
