"""What test workers do: functions by name, since another process calls them."""

import os
import time
from pathlib import Path


def card_after(seconds: float) -> tuple[int, str | None]:
    """The worker, and the cards it may use; it is busy for a while, so that others get jobs, too."""
    time.sleep(seconds)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def wait_for(file: Path, exit_code: int | None = None) -> None:
    """Be busy until the file is there, then end the job, or with an exit code the worker."""
    while not file.exists():
        time.sleep(0.02)
    if exit_code is not None:
        os._exit(exit_code)


def fail() -> None:
    """A fault of the job itself."""
    raise ValueError("the job's own fault")
