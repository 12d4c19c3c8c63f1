"""Submits runs to an executor, watches them, mirrors them to MLflow, and yields each outcome once.

The executor reports that an attempt was lost, and why. The Runner decides what to do: retry, split the batches, or
give the run up. Only processes with a Runner write headers and MLflow. Workers write only inside their run's folder. A
finished run is never trained again. If another process trains the run, the Runner waits for its result: from `submit`
until its outcome is mirrored, a run belongs to one Runner.
"""

import functools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.data.manifest import Manifest
from pipeline.errors import ConvstudyError
from pipeline.evidence.records import RunHeader
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.process import uninterrupted
from pipeline.running.display import Active, Shows
from pipeline.running.executors import Executor
from pipeline.running.held_runs import HeldRuns
from pipeline.running.jobs import Job, Lost, needs_weights, read_progress, split_further
from pipeline.running.outcomes import Outcome, describe, finished_result, named, outcome_of
from pipeline.running.requests import Request
from pipeline.tracking.mirror import Mirror
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.history import Progress

WATCH_SECONDS = 0.5
RETRIES = 2
"""How often a run is retried if its worker dies, hangs or runs out of memory. It resumes from its last checkpoint.

If a worker dies before any worker has started a job, all runs in flight lose their attempt.
"""
STALL_SECONDS = 600.0
"""A worker that makes no step of training or evaluation for this long is considered hung and killed."""


@dataclass
class _InFlight:
    request: Request
    header: RunHeader
    job: Job
    attempt: int = 1
    retries_left: int = RETRIES
    micro_batches: int = 1
    ran_out_of_memory: bool = False
    """Whether an attempt ran out of memory without splitting its batches."""
    progress: Progress | None = None
    mirrored: bool = False
    sign: float | None = None
    """Last sign of life of its worker, on the file system's clock."""
    heard: float = field(default_factory=time.monotonic)
    """When the Runner noticed that sign, on the monotonic clock."""


class Runner:
    """Runs requests through an executor. Use it in a `with` statement, which closes workers and mirror.

    The mirror is opened once the first workers run, since MLflow takes seconds to load.
    """

    def __init__(
        self,
        store: RunStore,
        data_folder: Path,
        manifest: Manifest,
        executor: Executor,
        open_mirror: Callable[[], Mirror],
        display: Shows,
        keep_weights: bool = False,
        checkpoint_seconds: float = 30.0,
        retries: int = RETRIES,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.store, self.data_folder, self.manifest = store, data_folder, manifest
        self.executor, self.display = executor, display
        self._open_mirror = open_mirror
        self.keep_weights, self.checkpoint_seconds = keep_weights, checkpoint_seconds
        self.retries, self.stall_seconds = retries, stall_seconds
        self._finished: list[Outcome] = []
        self._in_flight: dict[Future[None], _InFlight] = {}
        self._held = HeldRuns(store)
        self._waiting: list[Request] = []
        """Requests for runs that other processes are training."""

    @functools.cached_property
    def mirror(self) -> Mirror:
        """The MLflow mirror. It is opened uninterrupted, since MLflow would swallow an interrupt."""
        with uninterrupted():
            return self._open_mirror()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.close()
        if "mirror" in self.__dict__:
            for flight in self._in_flight.values():
                if flight.mirrored:
                    self.mirror.interrupted(flight.header)
            self.mirror.close()
        self._held.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause all trainings on this machine during the block, so that timings are undisturbed."""
        try:
            self.executor.pause()
            yield
        finally:
            self.executor.resume()

    def holds(self, request: Request) -> bool:
        """Whether the run is finished, with all that the request asks for."""
        folder = self.store.folder(request.spec.hash)
        return finished_result(request, folder, self.manifest.test_fingerprint) is not None

    def submit(self, request: Request) -> None:
        """Request a run; `outcomes` yields how it ended."""
        folder = self.store.register(request.spec, request.name, self.manifest.name, request.member)
        if self._held.take(folder.run):
            self._begin(request, folder)
            return
        self.display.line(f"{named(request)}: another process trains run {folder.run}; waiting for its result")
        self._waiting.append(request)

    def _begin(self, request: Request, folder: RunFolder) -> None:
        """Use the result of a finished run, or start its training. This process must hold the run."""
        test_data = self.manifest.test_fingerprint
        finished = finished_result(request, folder, test_data)
        if finished is not None:
            self._finished.append(outcome_of(request, folder, finished, trained=False))
            return
        if needs_weights(folder, test_data if request.test else None, request.probes, request.weights):
            self.display.line(f"{request.name}: weights of run {folder.run} are missing; training it again")
        header = folder.header()
        assert header is not None
        job = Job(
            store=self.store.root,
            run=folder.run,
            data_folder=self.data_folder,
            test_data=test_data,
            test=request.test,
            until=request.until,
            keep_weights=self.keep_weights and request.member.role != "learning-rate",
            checkpoint_seconds=self.checkpoint_seconds,
            probes=request.probes,
            weights=request.weights,
        )
        self._start(_InFlight(request, header, job, retries_left=self.retries, micro_batches=folder.micro_batches))

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes in the order in which runs end, until none is left. More runs may be submitted meanwhile.

        Raises errors that concern all runs, such as unusable data or a full disk.
        """
        while self._finished or self._in_flight or self._waiting:
            while self._finished:
                outcome = self._finished.pop(0)
                if not outcome.lost and outcome.state != "stopped":
                    self.mirror.finished(outcome.folder)
                self._held.release(outcome.folder.run)
                if outcome.state == "stopped":  # `stop` counts it as done
                    self.display.line(describe(outcome))
                else:
                    self.display.finished(describe(outcome), outcome.trained)
                yield outcome
            if self._waiting and not self._in_flight:
                time.sleep(WATCH_SECONDS)
            done, _ = wait(self._in_flight, timeout=WATCH_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                self._end(future, self._in_flight.pop(future))
            self._begin_released()
            self._watch()

    def _begin_released(self) -> None:
        """Begin the waiting runs that other processes have released."""
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            folder = self.store.folder(request.spec.hash)
            if self._held.take(folder.run):
                self._begin(request, folder)
            else:
                self._waiting.append(request)

    def stop(self, request: Request, trained: bool = True) -> None:
        """End a stopped run: remove its checkpoints, and show it as ended in MLflow.

        If another process trains it further, leave it to that process.
        """
        folder = self.store.folder(request.spec.hash)
        if self._held.take(folder.run):
            Checkpoints(folder.path).clear()
            self.mirror.finished(folder)
            self._held.release(folder.run)
        self.display.finished(f"{named(request)}: stopped early", trained)

    def _start(self, flight: _InFlight) -> None:
        self.store.folder(flight.job.run).progress.unlink(missing_ok=True)  # of an earlier attempt
        flight.heard = time.monotonic()
        self._in_flight[self.executor.submit(flight.job)] = flight

    def _end(self, future: "Future[None]", flight: _InFlight) -> None:
        folder, error = self.store.folder(flight.job.run), future.exception()
        if isinstance(error, Lost):
            self._retry(flight, error)
        elif isinstance(error, ConvstudyError | OSError):
            raise error
        elif error is not None:
            raise RuntimeError(f"run {folder.run} of {flight.request.name} failed because of a bug") from error
        else:
            result = folder.result()
            assert result is not None, f"worker left no result for run {folder.run}"
            self._finished.append(outcome_of(flight.request, folder, result, attempts=flight.attempt))

    def _retry(self, flight: _InFlight, lost: Lost) -> None:
        """Retry a lost run, with smaller batches if memory was short, or give it up after its last retry."""
        folder = self.store.folder(flight.job.run)
        if lost.reason == "out_of_memory" and folder.micro_batches == flight.micro_batches:
            if flight.ran_out_of_memory:  # the first time, other processes may have taken the memory
                split_further(folder)
            flight.ran_out_of_memory = True
        parts = folder.micro_batches
        if parts == flight.micro_batches:  # a retry without any change
            flight.retries_left -= 1
        if flight.retries_left >= 0:
            split = f" with batches in {parts} parts" if parts > 1 else ""
            self.display.line(f"{flight.request.name}: {lost}; retrying{split}")
            flight.attempt, flight.micro_batches = flight.attempt + 1, parts
            self._start(flight)
            return
        folder.split_batches(1)
        self.mirror.failed(flight.header, lost.reason)
        self._finished.append(Outcome(flight.request, folder, "failed", lost.reason, attempts=flight.attempt))

    def _watch(self) -> None:
        """Show and mirror the progress of the runs in flight, and cancel those that hang."""
        active = []
        for future, flight in self._in_flight.items():
            folder = self.store.folder(flight.job.run)
            progress, sign = read_progress(folder), folder.sign_of_life()
            if sign != flight.sign or not future.running():
                flight.sign, flight.heard = sign, time.monotonic()
            elif time.monotonic() - flight.heard > self.stall_seconds:
                self.executor.cancel(future)
            if progress is None:
                continue
            if not flight.mirrored:
                self.mirror.started(flight.header)
                flight.mirrored = True
            if flight.progress is None or progress.history != flight.progress.history:
                self.mirror.epochs(flight.header, progress.history)
            flight.progress = progress
            share = (progress.epoch - 1 + progress.step / progress.steps) / progress.epochs
            active.append(Active(flight.request.name, share, progress.images_per_second))
        self.display.update(active)
