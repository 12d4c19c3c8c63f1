"""Opens a finished network by the name of its run or its study."""

from pipeline.errors import StorageError, UsageError, unknown_name
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import StudyRecord
from pipeline.machine import resolve_device
from pipeline.models.finished import FinishedNetwork, open_network
from pipeline.search.searches import list_studies, status
from pipeline.workspace import Workspace


def open_named(workspace: Workspace, name: str | StudyRecord, device: str = "auto") -> tuple[str, FinishedNetwork]:
    """Open the network of a run, or the best network of a study. Returns the run's address and the network.

    Args:
        workspace: holds runs, studies and prepared data.
        name: address of a run, name of a study, or the record of a study.
        device: auto, cpu or cuda. "auto" is the device that the network was trained on, or cpu if there is no GPU here.

    Raises:
        UsageError: there is no such run or study, or it has no finished network.
        StorageError: the weights are gone.
    """
    store = RunStore(workspace.runs)
    run = name if isinstance(name, str) and store.folder(name).header() else _best_run(workspace, store, name)
    folder = store.folder(run)
    header = folder.header()
    trained_on_cpu = header is not None and header.spec.device == "cpu"
    device_kind = resolve_device("cpu" if device == "auto" and trained_on_cpu else device)
    data_folder = None if header is None else workspace.prepared_data / header.data_name
    return run, open_network(folder, data_folder, device_kind)


def _best_run(workspace: Workspace, store: RunStore, study: str | StudyRecord) -> str:
    """The run with the lowest validation error on a study's front, among those whose weights were kept."""
    if isinstance(study, str):
        known = [row["study"] for row in list_studies(workspace, None)]
        if study not in known:
            raise unknown_name("run or study", study, [*known, *(folder.run for folder in store)])
        study = status(workspace, study, None)
    if not study.front:
        raise UsageError(f"study {study.study} has no network that was trained in full: give it more trials")
    kept = [trial.run for trial in study.front_trials if store.folder(trial.run).weights.exists()]
    if not kept:
        raise StorageError(
            f"{workspace.runs} has no weights of study {study.study}: run the same `convstudy search` again, which "
            "trains the front again and keeps its weights"
        )
    return kept[0]
