"""Starts worker processes on this machine.

This module imports neither PyTorch nor the workers' modules. So a server process can load them while this process loads
its own.
"""

import multiprocessing
import sys
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext
from types import ModuleType

PRELOADED = ("pipeline.running.worker_server", "pipeline.running.jobs", "torch._dynamo")
"""Modules that the server loads before it forks workers. An optimizer imports torch._dynamo, which takes a second."""


def prepare_workers() -> None:
    """Start the server, which loads the workers' modules. Call this before loading the same modules here."""
    if isinstance(worker_context(), ForkServerContext):
        forkserver.ensure_running()


class _Worker(ForkServerProcess):
    """A worker that skips the main program. multiprocessing would run a user's script again, which may train."""

    def start(self) -> None:
        main, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _Workers(ForkServerContext):
    Process = _Worker


def worker_context() -> ForkServerContext | SpawnContext:
    """The context that starts workers: they are forked in milliseconds from a server that has loaded PyTorch once.

    On macOS each worker loads PyTorch itself, because the system's libraries do not survive a fork.
    """
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = _Workers()
    context.set_forkserver_preload(list(PRELOADED))
    return context
