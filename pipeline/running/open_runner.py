"""Opens a Runner for this workspace, with its run store, workers, MLflow mirror and display."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.manifest import Manifest
from pipeline.errors import unknown_name
from pipeline.evidence.store import RunStore
from pipeline.machine import DeviceKind
from pipeline.process import locked
from pipeline.running.display import Shows
from pipeline.running.executors import EXECUTORS
from pipeline.running.runner import RETRIES, STALL_SECONDS, Runner
from pipeline.tracking.mirror import Mirror, code_commit
from pipeline.tracking.opening import open_mirror
from pipeline.workspace import Workspace

ALONE = "waiting until no other training runs in this workspace: networks are timed alone"
OTHERS = "waiting for a command that times networks in this workspace: nothing else may run meanwhile"


@dataclass(frozen=True)
class RunnerOptions:
    """How runs are carried out. None of these options changes a result.

    Raises UsageError for an unknown executor.

    Attributes:
        workers: number of parallel trainings; None: one per core on CPU, one per card on CUDA.
        data_folder: folder of the prepared data; None: the workspace's.
        keep_weights: whether weights stay in the run store.
        checkpoint_seconds: shortest time between checkpoints.
        retries, stall_seconds: see RETRIES and STALL_SECONDS.
        mirrored: whether MLflow is written.
        executor: name in EXECUTORS, which says where trainings run.
    """

    workers: int | None = None
    data_folder: Path | None = None
    keep_weights: bool = False
    checkpoint_seconds: float = 30.0
    retries: int = RETRIES
    stall_seconds: float = STALL_SECONDS
    mirrored: bool = True
    executor: str = "processes"

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise unknown_name("executor", self.executor, EXECUTORS)


@contextmanager
def open_runner(
    workspace: Workspace,
    manifest: Manifest,
    device: DeviceKind,
    display: Shows,
    options: RunnerOptions,
    alone: bool = False,
) -> Iterator[Runner]:
    """Open a Runner with the workspace's run store, workers and MLflow mirror.

    Several processes may train in a workspace at once. A process that times networks must be `alone`: it waits for the
    others to end, and later ones wait for it.
    """
    wait = ALONE if alone else OTHERS
    with locked(workspace.locks / "trainings.lock", shared=not alone, before_waiting=lambda: display.line(wait)):
        runner = Runner(
            store=RunStore(workspace.runs),
            data_folder=options.data_folder or workspace.prepared_data / manifest.name,
            manifest=manifest,
            executor=EXECUTORS[options.executor](device, options.workers),
            open_mirror=lambda: _open_mirror(workspace, display) if options.mirrored else Mirror.off(workspace.mlflow),
            display=display,
            keep_weights=options.keep_weights,
            checkpoint_seconds=options.checkpoint_seconds,
            retries=options.retries,
            stall_seconds=options.stall_seconds,
        )
        with runner, closing(display):
            yield runner


def _open_mirror(workspace: Workspace, display: Shows) -> Mirror:
    return open_mirror(workspace.mlflow, display.line, code_commit(Path(__file__).parent))
