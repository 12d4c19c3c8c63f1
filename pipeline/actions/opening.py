"""A finished network by the name of its run or of its study."""

from pipeline.errors import StorageError, UsageError, unknown_name
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import StudyRecord
from pipeline.machine import resolve_device
from pipeline.models.finished import FinishedNetwork, open_network
from pipeline.search.searches import list_studies, status
from pipeline.workspace import Workspace


def open_named(workspace: Workspace, name: str | StudyRecord, device: str = "auto") -> tuple[str, FinishedNetwork]:
    """A run's address and network: of the run of that address, or of the best of a study (by its name or record).

    Args:
        device: auto (where it was trained, if that is here), cpu or cuda.

    Raises:
        UsageError: there is neither such a run nor such a study, or it has no trained network.
        StorageError: weights are gone.
    """
    store = RunStore(workspace.runs)
    run = name if isinstance(name, str) and store.folder(name).header() else _best(workspace, name)
    folder = store.folder(run)
    header = folder.header()
    wanted = header.spec.device if header and device == "auto" else device
    used = resolve_device("auto" if device == "auto" and wanted == "cuda" else wanted)
    in_workspace = None if header is None else workspace.prepared_data / header.data_name
    return run, open_network(folder, in_workspace, used)


def _best(workspace: Workspace, name: str | StudyRecord) -> str:
    """The run of the network with the lowest error on a study's front, among those of which weights are kept."""
    if isinstance(name, str):
        known = [row["study"] for row in list_studies(workspace, None)]
        if name not in known:
            raise unknown_name("run or study", name, [*known, *(folder.run for folder in RunStore(workspace.runs))])
    record = status(workspace, name, None) if isinstance(name, str) else name
    if not record.front:
        raise UsageError(f"study {record.study} has no network that was trained in full: give it more trials")
    store = RunStore(workspace.runs)
    kept = [trial.run for trial in record.front_trials if store.folder(trial.run).weights.exists()]
    if not kept:
        raise StorageError(
            f"of study {record.study} no weights are in {workspace.runs}: run the same `convstudy search` again, which "
            "trains its front again and keeps them"
        )
    return kept[0]
