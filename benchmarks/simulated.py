"""Searches without training: the real driver with a study in memory and a surrogate instead of trainings.

There is one worker. Time is counted in epochs. A search ends when its epochs are spent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import search_spaces
from benchmarks.surrogate import Surrogate
from pipeline.evidence.records import Measurement, Result, RunSpec
from pipeline.evidence.store import RunFolder
from pipeline.evidence.study_records import Budget, SearchPlan, Trial
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from pipeline.schema import parse
from pipeline.search.gate import costs_of
from pipeline.training.history import Epoch
from search_spaces import Design, Space


class StudyInMemory:
    """A study that exists only in memory."""

    spent_seconds = 0.0

    def __init__(self, plan: SearchPlan) -> None:
        self.name, self.plan = "simulated", plan
        self._trials: dict[int, Trial] = {}

    def trials(self) -> list[Trial]:
        """All trials, in order."""
        return list(self._trials.values())

    def add(self, trial: Trial, space: Space) -> None:
        """Store a new trial."""
        self._trials[trial.number] = trial

    def update(self, trial: Trial) -> None:
        """Store a changed trial."""
        self._trials[trial.number] = trial

    def note(self, *, budget: Budget | None = None, spent_seconds: float | None = None) -> None:
        """Ignored: simulated studies are never resumed."""

    def note_exhausted(self, exhausted: bool, tail: tuple[int, int] = (0, 0)) -> None:
        """Ignored: simulated studies are never resumed."""

    def measured(self) -> dict[str, dict[str, float]]:
        """Nothing was measured."""
        return {}

    def note_measured(self, network: str, costs: dict[str, float]) -> None:
        """Ignored: simulated studies are never resumed."""


@dataclass(frozen=True)
class AnsweredRun(RunFolder):
    """A simulated run: its errors so far, of `epochs` in total."""

    errors: tuple[float, ...]
    epochs: int

    def result(self) -> Result | None:
        """The result that a training would have written."""
        state = "complete" if len(self.errors) == self.epochs else "stopped"
        history = tuple(Epoch(index, 0.0, 0.0, error, 0.0, 0.0) for index, error in enumerate(self.errors, start=1))
        return Result("result/1", self.run, state, None, history, None)  # type: ignore[arg-type]

    def measurement(self) -> Measurement | None:
        """Nothing was measured."""
        return None


class Answers:
    """Answers a driver's requests from a surrogate with noise, until `epochs` are spent."""

    def __init__(self, plan: SearchPlan, surrogate: Surrogate, repeat: int, epochs: int) -> None:
        self.plan, self.surrogate, self.repeat = plan, surrogate, repeat
        self.expected: dict[str, float] = {}
        """Run -> expected final error of its network."""
        self._left = epochs
        self._curves: dict[str, tuple[float, ...]] = {}
        self._done: dict[str, int] = {}
        self._asked: list[Request] = []

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._asked.append(request)

    def outcomes(self) -> Iterator[Outcome]:
        """Outcomes in order, until there are no requests or the next one exceeds the remaining epochs."""
        epochs = self.plan.recipe.epochs
        while self._asked:
            request = self._asked.pop(0)
            run, until = request.spec.hash, request.until or epochs
            self._left -= until - self._done.get(run, 0)
            if self._left < 0:
                return
            self._done[run] = until
            folder = AnsweredRun(Path(run), self._curve(request.spec, run)[:until], epochs)
            yield Outcome(request, folder, "complete" if until == epochs else "stopped", None)

    def stop(self, request: Request) -> None:
        """Nothing to stop."""

    def _curve(self, spec: RunSpec, run: str) -> tuple[float, ...]:
        if run not in self._curves:
            family = search_spaces.family(spec.family)
            design = Design(family, parse(family.config, spec.config, "config"))
            costs = costs_of(design, self.plan)
            assert costs is not None
            expected = self.surrogate.curve({"family": spec.family, "config": spec.config}, costs)
            self.expected[run] = float(expected[-1])
            noisy = expected + self.surrogate.noise(self.expected[run], self.repeat, run)
            self._curves[run] = tuple(float(error) for error in np.clip(noisy, 0.0, 100.0))
        return self._curves[run]
