"""Worker processes on this machine: how they start, and how they are paused.

Imports neither PyTorch nor the workers' modules, so that their server loads those while this process loads its own.
"""

import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext

import psutil

from pipeline.process import suppressed_if_gone

PRELOADED = ("pipeline.running.worker_server", "pipeline.running.jobs", "torch._dynamo")
"""Modules that the server of workers loads before it forks the first; the last takes a second at a first optimizer."""


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


@contextmanager
def workers_paused() -> Iterator[None]:
    """Stop this process's workers for a moment, so that what is timed here is timed alone."""
    server_or_worker = psutil.Process().children()
    forked = isinstance(worker_context(), ForkServerContext)
    workers = [worker for server in server_or_worker for worker in server.children()] if forked else server_or_worker
    try:
        for worker in workers:
            with suppressed_if_gone():
                worker.suspend()
        yield
    finally:
        for worker in workers:
            with suppressed_if_gone():
                worker.resume()
