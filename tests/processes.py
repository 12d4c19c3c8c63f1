"""Starting other processes, waiting for them, and finding them."""

import contextlib
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

import psutil

from pipeline.workspace import Workspace

LONGEST_SECONDS = 120.0
"""How long a process may take that is waited for."""


def fresh_processes() -> ForkServerContext:
    """Processes that are forked from one that has the imports, which take seconds.

    It is the one that forks workers, too; its environment is that of its start.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow", "pipeline.tracking.replay", "pipeline.search.studies"])
    return context


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


def wait_until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Return when the condition holds; it is a failure if it does not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def workers_of(driver: int | None = None) -> list[psutil.Process]:
    """The workers of a driver (default: this process): children of the server that forks them."""
    workers: list[psutil.Process] = []
    for child in psutil.Process(driver).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended while it was looked at
            workers += child.children()
    return workers


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


def still_running(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that have not ended after so many seconds; ended ones that nobody has reaped yet have."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [process for process in alive if not _has_ended(process)]


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
