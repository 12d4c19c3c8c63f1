"""Where trainings run: executors behind a small protocol, opened by name."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from pipeline.machine import DeviceKind
from pipeline.running.jobs import Job
from pipeline.running.process_executor import ProcessExecutor


class Executor(Protocol):
    """Workers that run jobs, on this machine or on others.

    An executor knows how its workers are started, and how it sees that one was lost. Jobs write into the run store, so
    workers elsewhere need it and the data under the same paths.
    """

    @property
    def capacity(self) -> int:
        """Jobs that run at once; more wait."""
        ...

    def submit(self, job: Job) -> "Future[None]":
        """Queue a job.

        The future is `running()` while a worker has the job. It raises Lost where the attempt was lost, else what the
        job raised.
        """
        ...

    def cancel(self, future: "Future[None]") -> None:
        """Give up a running job: its worker is ended, and its future raises Lost("worker hung")."""
        ...

    def pause(self) -> None:
        """Halt the workers on this machine, so that something can be timed here alone; workers elsewhere go on."""
        ...

    def resume(self) -> None:
        """Let the workers that were paused go on."""
        ...

    def close(self) -> None:
        """End all workers at once; futures that are not done stay so."""
        ...


EXECUTORS: dict[str, Callable[[DeviceKind, int | None], Executor]] = {"processes": ProcessExecutor}
"""By name, what opens workers for a kind of device: as many as given, else as many as fit."""
