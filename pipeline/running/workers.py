"""How worker processes on this machine start.

Imports neither PyTorch nor the workers' modules, so that their server loads those while this process loads its own.
"""

import multiprocessing
import sys
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext

PRELOADED = ("pipeline.running.worker_server", "pipeline.running.jobs")
"""Modules that the server of workers loads before it forks the first."""


def prepare_workers() -> None:
    """Begin to load what workers need, in a process beside this one; called before this one loads the same."""
    if isinstance(worker_context(), ForkServerContext):
        forkserver.ensure_running()


def worker_context() -> ForkServerContext | SpawnContext:
    """How workers start: forked from a server that has loaded PyTorch once, so that one is there within milliseconds.

    On macOS, whose own libraries do not survive a fork, each loads PyTorch anew.
    """
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context
