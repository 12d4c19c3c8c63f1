"""Where trainings run: workers behind a small protocol.

`submit(job)` gives a `concurrent.futures.Future`, `close()` ends all workers. On one machine these are processes of
pebble's pool: a worker that is killed costs its own attempt only. On Linux they are forked from a server process that
has loaded PyTorch once, so that a worker (and the successor of one that was killed) starts at once.
"""

import os
import signal
import warnings
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

import torch
from pebble import CONSTS, ProcessPool

from pipeline.machine import DeviceKind, cards, default_workers, keep_freed_memory
from pipeline.process import die_with, die_with_parent, worker_context
from pipeline.running.jobs import Job, run_job

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

CONSTS.channel_lock_timeout = 10.0
"""Seconds until pebble mends its pipe when a worker was killed while it held it (60 by default; jobs are small)."""


class Executor(Protocol):
    """What a driver needs of a pool of workers; a job's future, cancelled, ends the worker that runs it."""

    @property
    def capacity(self) -> int:
        """Jobs that run at once; more wait."""
        ...

    def submit(self, job: Job) -> "Future[None]":
        """Queue a job; the future ends when it has, and raises what it raised."""
        ...

    def close(self) -> None:
        """End all workers at once."""
        ...


class ProcessExecutor:
    """Workers on this machine, one process and one thread each: by default as many as cores on CPU, as cards on CUDA.

    Of more workers than cards, each card gets its equal part; estimate.trainings_at_once says how many it can hold.
    """

    def __init__(self, device: DeviceKind, workers: int | None = None) -> None:
        self._workers = workers or default_workers(device)
        self._cards = cards() if device == "cuda" else []
        self._started = worker_context().Value("i", 0)
        self._pool = self._new_pool()

    @property
    def capacity(self) -> int:
        """As `Executor.capacity`."""
        return self._workers

    def submit(self, job: Job) -> "Future[None]":
        """As `Executor.submit`; a worker that dies fails the future with ProcessExpired or BrokenProcessPool."""
        if not self._pool.active:  # pebble gives a pool up when a worker dies while none has a job
            self.close()
            self._pool = self._new_pool()
        future: Any = self._pool.schedule(run_job, args=[job])
        return future  # type: ignore[no-any-return]

    def close(self) -> None:
        """As `Executor.close`."""
        self._pool.stop()
        self._pool.join()

    def _new_pool(self) -> Any:
        return ProcessPool(
            max_workers=self._workers,
            initializer=_start_worker,
            initargs=[os.getpid(), self._cards, self._started],
            context=worker_context(),
        )


def _start_worker(driver: int, cards: Sequence[str], started: "Synchronized[int]") -> None:
    if cards:  # CUDA reads it when the worker first uses it
        with started.get_lock():
            os.environ["CUDA_VISIBLE_DEVICES"] = cards[started.value % len(cards)]
            started.value += 1
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # end at once: what a worker writes is whole or absent at any instant
    die_with(driver)  # the server that forked it may live as long as its workers
    die_with_parent()
    keep_freed_memory()
    torch.set_num_threads(1)
    warnings.simplefilter("default")
