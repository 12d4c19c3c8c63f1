"""Searches without training: the real driver, its study in memory, its trainings answered by a surrogate.

There is one worker, and time is counted in epochs trained. A search ends when its epochs are spent.
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
    """A driver's study that is kept nowhere else."""

    spent_seconds = 0.0

    def __init__(self, plan: SearchPlan) -> None:
        self.name, self.plan = "simulated", plan
        self._trials: dict[int, Trial] = {}

    def trials(self) -> list[Trial]:
        """Every trial, in order."""
        return list(self._trials.values())

    def add(self, trial: Trial, space: Space) -> None:
        """Keep a new trial."""
        self._trials[trial.number] = trial

    def update(self, trial: Trial) -> None:
        """Keep a trial as it now is."""
        self._trials[trial.number] = trial

    def note(self, *, budget: Budget | None = None, spent_seconds: float | None = None) -> None:
        """Nothing is resumed."""

    def note_exhausted(self, exhausted: bool, tail: tuple[int, int] = (0, 0)) -> None:
        """Nothing is resumed."""

    def measured(self) -> dict[str, dict[str, float]]:
        """Nothing was measured."""
        return {}

    def note_measured(self, network: str, costs: dict[str, float]) -> None:
        """Nothing is resumed."""


@dataclass(frozen=True)
class AnsweredRun(RunFolder):
    """A run that was looked up: its errors so far, of `epochs` in all."""

    errors: tuple[float, ...]
    epochs: int

    def result(self) -> Result | None:
        """What the training would have told."""
        state = "complete" if len(self.errors) == self.epochs else "stopped"
        history = tuple(Epoch(index, 0.0, 0.0, error, 0.0, 0.0) for index, error in enumerate(self.errors, start=1))
        return Result("result/1", self.run, state, None, history, None)  # type: ignore[arg-type]

    def measurement(self) -> Measurement | None:
        """Nothing was measured."""
        return None


class Answers:
    """Answers a driver's requests from a surrogate, with one training's noise, until so many epochs are spent."""

    def __init__(self, plan: SearchPlan, surrogate: Surrogate, repeat: int, epochs: int) -> None:
        self.plan, self.surrogate, self.repeat = plan, surrogate, repeat
        self.expected: dict[str, float] = {}
        """By run, the expected final error of its network."""
        self._left = epochs
        self._told: dict[str, tuple[float, ...]] = {}
        self._done: dict[str, int] = {}
        self._asked: list[Request] = []

    def submit(self, request: Request) -> None:
        """Take a request in."""
        self._asked.append(request)

    def outcomes(self) -> Iterator[Outcome]:
        """One outcome after another, until none is asked for, or the next would cost more than is left."""
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
        """Nothing is to be removed."""

    def _curve(self, spec: RunSpec, run: str) -> tuple[float, ...]:
        if run not in self._told:
            family = search_spaces.family(spec.family)
            design = Design(family, parse(family.config, spec.config, "config"))
            costs = costs_of(design, self.plan)
            assert costs is not None
            expected = self.surrogate.curve({"family": spec.family, "config": spec.config}, costs)
            self.expected[run] = float(expected[-1])
            noisy = expected + self.surrogate.noise(self.expected[run], self.repeat, run)
            self._told[run] = tuple(float(error) for error in np.clip(noisy, 0.0, 100.0))
        return self._told[run]
