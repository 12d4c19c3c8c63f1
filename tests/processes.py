"""Starting other processes, waiting for them, and finding them."""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.running.workers import PRELOADED
from pipeline.workspace import Workspace

USUAL = ("mlflow", "pipeline.data.prepare", "pipeline.search.searches", "pipeline.tracking.replay")
"""What tests have other processes do, loaded once for all."""
TESTS = str(Path(__file__).parent)
LONGEST_SECONDS = 900.0
"""After which whatever is waited for is taken to hang. No test asks how long something takes: machines differ."""


def fresh_processes() -> ForkServerContext:
    """Processes that are forked from one that has the imports, which take seconds.

    It is the one that forks workers, too; its environment is that of its start.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED, "held", "processes", "verbs", *USUAL])
    return context


def begin_to_load() -> None:
    """Have that process started, before a driver starts one that can fork workers alone."""
    fresh_processes()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", TESTS, prepend=os.pathsep)
        forkserver.ensure_running()


def exit_codes(*processes: BaseProcess) -> list[int | None]:
    """How processes end that are started side by side; those that do not end are killed."""
    for process in processes:
        process.daemon = True
        process.start()
    for process in processes:
        process.join(LONGEST_SECONDS)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def wait_until(condition: Callable[[], bool], pause_seconds: float = 0.05) -> None:
    """Return when the condition holds; it is a failure if it does not come about."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(pause_seconds)


def workers_of(driver: int | None = None) -> list[psutil.Process]:
    """The workers of a driver (default: this process): children of the server that forks them."""
    workers: list[psutil.Process] = []
    for child in psutil.Process(driver).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended while it was looked at
            workers += child.children()
    return workers


def training_workers(driver: int | None = None) -> list[psutil.Process]:
    """Those of them that hold the lock of a run."""
    return [worker for worker in workers_of(driver) if ".lock" in {Path(file.path).name for file in _open_in(worker)}]


def _open_in(process: psutil.Process) -> list[Any]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.open_files()
    return []


def processes_in(workspace: Workspace) -> list[psutil.Process]:
    """Processes that were started to work in a workspace."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CONVSTUDY_HOME") == str(workspace.root):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until_ended(processes: list[psutil.Process]) -> None:
    """Return when all have ended by themselves; ended ones that nobody has reaped yet have."""
    wait_until(lambda: all(map(_has_ended, processes)))


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
