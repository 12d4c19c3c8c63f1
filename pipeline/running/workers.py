"""How worker processes on this machine start.

Imports neither PyTorch nor the workers' modules, so that their server loads those while this process loads its own.
"""

import multiprocessing
import sys
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext

PRELOADED = ("pipeline.running.worker_server", "pipeline.running.jobs", "torch._dynamo")
"""Modules that the server of workers loads before it forks the first; the last takes a second at a first optimizer."""


def prepare_workers() -> None:
    """Start loading what workers need in a second process; call it before this process loads the same."""
    if isinstance(worker_context(), ForkServerContext):
        forkserver.ensure_running()


def worker_context() -> ForkServerContext | SpawnContext:
    """How workers start: forked from a server that has loaded PyTorch once, so that each starts within milliseconds.

    On macOS each loads PyTorch itself, since the system's own libraries do not survive a fork.
    """
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context
