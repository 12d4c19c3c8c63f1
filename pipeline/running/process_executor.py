"""Workers on this machine, as processes of pebble's pool: a worker that is killed costs its own attempt only.

On Linux they are forked from a server process that has loaded PyTorch once, so that a worker (and the successor of one
that was killed) starts at once. Only this module knows pebble and what exit codes say.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import signal
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import torch
from pebble import CONSTS, ProcessExpired, ProcessPool

from pipeline.errors import StorageError
from pipeline.machine import DeviceKind, cards, default_workers, keep_float32, keep_freed_memory, kills_for_memory
from pipeline.process import die_with, die_with_parent, suppressed_if_gone
from pipeline.running.jobs import Job, Lost, run_job
from pipeline.running.workers import worker_context

CONSTS.channel_lock_timeout = 10.0
"""Seconds until pebble mends its pipe when a worker was killed while it held it (60 by default; jobs are small)."""
LEASE_SECONDS = 10.0
"""How long a worker waits for the card of one that has just died."""


class ProcessExecutor:
    """One process and one thread each: by default as many as cores on CPU, as cards on CUDA.

    Of more workers than cards, each card gets its equal part; estimate.trainings_at_once says how many it can hold.
    """

    def __init__(self, device: DeviceKind, workers: int | None = None) -> None:
        self.capacity = workers or default_workers(device)
        self._cards = cards() if device == "cuda" else []
        self._leases: TemporaryDirectory[str] | None = None
        self._paused: list[psutil.Process] = []
        self._pool = self._new_pool()

    def submit(self, job: Job) -> "Future[None]":
        """As `Executor.submit`; raises StorageError where /dev/shm has no room for the locks of a first job."""
        with _shared_memory_errors():
            if not self._pool.active:  # pebble gives a pool up when a worker dies while none has a job
                self.close()
                self._pool = self._new_pool()
            kills = kills_for_memory()
            return _Attempt(self._pool.schedule(_work, args=[job]), kills)

    def cancel(self, future: "Future[None]") -> None:
        """As `Executor.cancel`."""
        assert isinstance(future, _Attempt)
        future.pooled.cancel()  # pebble then kills the worker

    def pause(self) -> None:
        """As `Executor.pause`."""
        for pid in list(self._pool._pool_manager.worker_manager.workers):  # pebble has no public list of them
            with suppressed_if_gone():
                worker = psutil.Process(pid)
                self._paused.append(worker)
                worker.suspend()

    def resume(self) -> None:
        """As `Executor.resume`."""
        while self._paused:
            with suppressed_if_gone():
                self._paused.pop().resume()

    def close(self) -> None:
        """As `Executor.close`."""
        self._pool.stop()
        self._pool.join()
        if self._leases is not None:
            self._leases.cleanup()

    def _new_pool(self) -> Any:
        lease = None
        if self._cards:
            self._leases = TemporaryDirectory(prefix="convstudy-cards-")
            lease = _CardLease(Path(self._leases.name), tuple(self._cards), self.capacity)
        return ProcessPool(
            max_workers=self.capacity,
            initializer=_start_worker,
            initargs=[os.getpid(), lease],
            context=worker_context(),
        )


@contextlib.contextmanager
def _shared_memory_errors() -> Iterator[None]:
    """Name /dev/shm where the pool's two locks cannot be made in it: the system's own error has no path."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EROFS, errno.EACCES):
            raise
        raise StorageError(
            f"cannot create the workers' two locks in /dev/shm: {error.strerror}; they need {2 * mmap.PAGESIZE} bytes "
            "there: free some (`df -h /dev/shm`), mount it writable, or give the container more (`--shm-size`)"
        ) from error


class _Attempt(Future[None]):
    """The future of a job in pebble's pool, which says of a lost worker that it is `Lost`.

    `kills` counts the processes that the system had killed for want of memory before.
    """

    def __init__(self, pooled: "Future[None]", kills: int) -> None:
        super().__init__()
        self.pooled, self._kills = pooled, kills
        pooled.add_done_callback(self._end)

    def running(self) -> bool:
        """Whether a worker has the job."""
        return self.pooled.running()

    def _end(self, pooled: "Future[None]") -> None:
        error = Lost("worker hung") if pooled.cancelled() else pooled.exception()
        if error is None:
            self.set_result(None)
        else:
            self.set_exception(_as_lost(error, self._kills))


def _as_lost(error: BaseException, kills: int) -> BaseException:
    """What was lost with a worker as `Lost`; else the error itself."""
    code = getattr(error, "exitcode", None)
    killed_for_memory = code == -signal.SIGKILL and kills_for_memory() > kills
    if code == errno.ENOMEM or killed_for_memory:
        return Lost("out_of_memory")
    if isinstance(error, ProcessExpired | BrokenProcessPool):
        return Lost("worker ended unexpectedly", str(error))
    return error


@dataclass(frozen=True)
class _CardLease:
    """One file per worker, assigned to the cards in turn: whoever locks the file may use its card.

    The system releases the lock of a worker that dies, whatever killed it, and its successor takes that one.
    """

    folder: Path
    cards: tuple[str, ...]
    workers: int

    def take(self) -> str:
        """The card of a free file, locked until this process ends; raises StorageError where none becomes free."""
        deadline = time.monotonic() + LEASE_SECONDS
        while time.monotonic() < deadline:
            for index in range(self.workers):
                file = os.open(self.folder / str(index), os.O_CREAT | os.O_RDWR)
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return self.cards[index % len(self.cards)]
                os.close(file)
            time.sleep(0.05)
        raise StorageError(f"no card became free for a worker in {self.folder}")


def _work(job: Job) -> None:
    """Do a job; a worker that runs out of memory ends, since the next try needs the memory that it still holds."""
    try:
        run_job(job)
    except (Lost, MemoryError):
        os._exit(errno.ENOMEM)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()  # others on the card may need it before this worker's next job does


def _start_worker(driver: int, lease: _CardLease | None) -> None:
    if lease is not None:  # CUDA reads it when the worker first uses it
        os.environ["CUDA_VISIBLE_DEVICES"] = lease.take()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # end at once: what a worker writes is whole or absent at any instant
    die_with(driver)  # the server that forked it may live as long as its workers
    die_with_parent()
    keep_freed_memory()
    keep_float32()
    torch.set_num_threads(1)
    warnings.simplefilter("default")
