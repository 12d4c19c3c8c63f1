"""Workers on this machine, as processes of pebble's pool. A killed worker costs only its own attempt.

On Linux, workers are forked from a server process that has loaded PyTorch once, so that they start at once. Only this
module depends on pebble and on the meaning of exit codes.
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
"""Seconds until pebble repairs its pipe after a worker was killed while holding it (pebble's default: 60)."""
LEASE_SECONDS = 10.0
"""How long a worker waits for the card of a worker that has just died."""


class ProcessExecutor:
    """Workers of one process and one thread each; by default one per core on CPU, one per card on CUDA.

    More workers than cards are spread evenly over the cards; `estimate.trainings_at_once` says how many fit.
    """

    def __init__(self, device: DeviceKind, workers: int | None = None) -> None:
        self.capacity = workers or default_workers(device)
        self._cards = cards() if device == "cuda" else []
        self._leases: TemporaryDirectory[str] | None = None
        self._paused: list[psutil.Process] = []
        self._pool = self._new_pool()

    def submit(self, job: Job) -> "Future[None]":
        """As `Executor.submit`; raises StorageError if /dev/shm has no room for the pool's locks."""
        with _shared_memory_errors():
            if not self._pool.active:  # pebble closes a pool if a worker dies while none has a job
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
    """Name /dev/shm if the pool's two locks cannot be created there, since the system's error has no path."""
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
    """The future of a job in pebble's pool. It raises `Lost` if the worker was lost.

    `kills` is the number of processes that the system had killed before for lack of memory.
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
    """`Lost` if the worker was lost, else the error itself."""
    code = getattr(error, "exitcode", None)
    killed_for_memory = code == -signal.SIGKILL and kills_for_memory() > kills
    if code == errno.ENOMEM or killed_for_memory:
        return Lost("out_of_memory")
    if isinstance(error, ProcessExpired | BrokenProcessPool):
        return Lost("worker ended unexpectedly", str(error))
    return error


@dataclass(frozen=True)
class _CardLease:
    """One file per worker, assigned to the cards in turn. The process that locks a file may use its card.

    The system releases the lock when a worker dies, even if it is killed, and its successor takes it.
    """

    folder: Path
    cards: tuple[str, ...]
    workers: int

    def take(self) -> str:
        """Lock a free file until this process ends and return its card; raises StorageError if none becomes free."""
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
    """Do a job. A worker that runs out of memory exits, to free its memory for the retry."""
    try:
        run_job(job)
    except (Lost, MemoryError):
        os._exit(errno.ENOMEM)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()  # other workers on the card may need it first


def _start_worker(driver: int, lease: _CardLease | None) -> None:
    if lease is not None:  # CUDA reads it at its first use
        os.environ["CUDA_VISIBLE_DEVICES"] = lease.take()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # end at once, which is safe because all writes are atomic
    die_with(driver)  # the fork server may outlive the driver
    die_with_parent()
    keep_freed_memory()
    keep_float32()
    torch.set_num_threads(1)
    warnings.simplefilter("default")
