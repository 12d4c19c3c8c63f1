"""An executor whose workers are threads of this process: it knows of lost workers only what a test makes up."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor

from pipeline.running.jobs import Job, Lost, run_job


class ThreadExecutor:
    """Does jobs in threads; `before` is called in them with each job, and may wait, or raise Lost."""

    def __init__(self, workers: int, before: Callable[[Job], object] = lambda job: None) -> None:
        self.capacity, self.before = workers, before
        self.calls: Counter[str] = Counter()
        """How often each part of the protocol was used."""
        self._pool = ThreadPoolExecutor(workers)
        self._training = threading.Lock()

    def submit(self, job: Job) -> "Future[None]":
        self.calls["submit"] += 1
        future: Future[None] = Future()
        self._pool.submit(self._settle, job, future)
        return future

    def cancel(self, future: "Future[None]") -> None:
        """The thread goes on, and ends late."""
        self.calls["cancel"] += 1
        with contextlib.suppress(InvalidStateError):
            future.set_exception(Lost("worker hung"))

    def pause(self) -> None:
        """Return when no job trains: what is timed would draw from the random state that a training has set."""
        self.calls["pause"] += 1
        self._training.acquire()

    def resume(self) -> None:
        self.calls["resume"] += 1
        self._training.release()

    def close(self) -> None:
        self.calls["close"] += 1
        self._pool.shutdown(wait=True, cancel_futures=True)

    def work(self, job: Job) -> None:
        """What a worker does with a job: it trains, one at a time, since all threads share PyTorch's random state."""
        with self._training:
            run_job(job)

    def _settle(self, job: Job, future: "Future[None]") -> None:
        future.set_running_or_notify_cancel()
        with contextlib.suppress(InvalidStateError):  # it was given up meanwhile
            try:
                self.before(job)
                self.work(job)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)
