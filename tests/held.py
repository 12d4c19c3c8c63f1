"""Trainings that wait as long as a test needs them to, so that it need not be quicker than they are.

Loaded where workers are forked, it has every training look for `runs/hold` after each epoch: from the epoch on that is
written there it waits until that file is gone.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from pipeline.running import jobs, workers
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.history import History, Progress
from pipeline.training.loop import train


def hold(runs: Path, epoch: int) -> None:
    """Have the trainings of a run store wait after this epoch: it has been told, its checkpoint is not written yet."""
    runs.mkdir(parents=True, exist_ok=True)
    (runs / "hold").write_text(str(epoch))


def release(runs: Path) -> None:
    """Let them go on."""
    (runs / "hold").unlink()


def _train(*arguments: Any, checkpoints: Checkpoints, tell: Any, **named: Any) -> History:
    waits = checkpoints.folder.parent / "hold"

    def told(progress: Progress) -> None:
        tell(progress)
        with contextlib.suppress(FileNotFoundError):
            while len(progress.history) >= int(waits.read_text()):
                time.sleep(0.02)

    return train(*arguments, checkpoints=checkpoints, tell=told, **named)


setattr(jobs, "train", _train)  # noqa: B010


def hold_workers_too() -> None:
    """Have the workers of a driver that runs in this process wait like that; its server of workers is not up yet."""
    workers.PRELOADED = (*workers.PRELOADED, "held")  # type: ignore[assignment]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
