"""How worker processes on this machine start.

Imports neither PyTorch nor the workers' modules, so that their server loads those while this process loads its own.
"""

import multiprocessing
import sys
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext
from types import ModuleType

PRELOADED = ("pipeline.running.worker_server", "pipeline.running.jobs", "torch._dynamo")
"""Modules that the server of workers loads before it forks the first; the last takes a second at a first optimizer."""


def prepare_workers() -> None:
    """Start loading what workers need in a second process; call it before this process loads the same."""
    if isinstance(worker_context(), ForkServerContext):
        forkserver.ensure_running()


class _Worker(ForkServerProcess):
    """A process that does not run the main program again, as multiprocessing would: a user's script trains when run."""

    def start(self) -> None:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Workers(ForkServerContext):
    Process = _Worker


def worker_context() -> ForkServerContext | SpawnContext:
    """How workers start: forked from a server that has loaded PyTorch once, so that each starts within milliseconds.

    On macOS each loads PyTorch itself, since the system's own libraries do not survive a fork.
    """
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = _Workers()
    context.set_forkserver_preload(list(PRELOADED))
    return context
