"""Where trainings run: executors by name, behind a small protocol."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from pipeline.machine import DeviceKind
from pipeline.running.jobs import Job
from pipeline.running.process_executor import ProcessExecutor


class Executor(Protocol):
    """Workers that run jobs, on this machine or on others.

    An executor starts its workers, and detects that one was lost. Jobs write into the run store, so workers on other
    machines need the run store and the data under the same paths.
    """

    @property
    def capacity(self) -> int:
        """Number of jobs that run in parallel. Further jobs wait."""
        ...

    def submit(self, job: Job) -> "Future[None]":
        """Queue a job.

        The future is `running()` while a worker has the job. It raises Lost if the attempt was lost, else the job's
        exception.
        """
        ...

    def cancel(self, future: "Future[None]") -> None:
        """Kill the worker of a running job. The job's future raises Lost("worker hung")."""
        ...

    def pause(self) -> None:
        """Halt the workers on this machine, so that a timing has it to itself. Workers on other machines go on."""
        ...

    def resume(self) -> None:
        """Let the paused workers go on."""
        ...

    def close(self) -> None:
        """Kill all workers. Futures that are not done are never completed."""
        ...


EXECUTORS: dict[str, Callable[[DeviceKind, int | None], Executor]] = {"processes": ProcessExecutor}
"""Name -> constructor. It takes the device and the number of workers (None: as many as fit)."""
