"""What a driver is given: a study to keep its trials in, and someone who trains them."""

from collections.abc import Iterator
from typing import Protocol

from pipeline.evidence.study_records import Budget, SearchPlan, Trial
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from search_spaces import Space


class StudyBook(Protocol):
    """Where a driver keeps its study: an Optuna storage, or memory where trainings are simulated."""

    @property
    def name(self) -> str:
        """The study's name."""

    @property
    def plan(self) -> SearchPlan:
        """What is searched."""

    @property
    def spent_seconds(self) -> float:
        """Wall time of all drivers so far."""

    def trials(self) -> list[Trial]:
        """Every trial, in order."""

    def add(self, trial: Trial, space: Space) -> None:
        """Enter a trial, the next by number, whole or not at all."""

    def update(self, trial: Trial) -> None:
        """Keep how far a trial has come, or how it ended."""

    def note(self, *, budget: Budget | None = None, spent_seconds: float | None = None) -> None:
        """Keep the budget, or the time spent."""

    def note_exhausted(self, exhausted: bool, tail: tuple[int, int] = (0, 0)) -> None:
        """Keep that nothing new was found after so many refused and duplicate candidates, or that it is tried again."""

    def measured(self) -> dict[str, dict[str, float]]:
        """Costs that were measured on networks, refused ones too, by network."""

    def note_measured(self, network: str, costs: dict[str, float]) -> None:
        """Keep the measured costs of one more network."""


class Trains(Protocol):
    """What a driver asks for trainings: a Runner, or a table of their results."""

    def submit(self, request: Request) -> None:
        """Ask for a run; its outcome comes out of `outcomes`."""

    def outcomes(self) -> Iterator[Outcome]:
        """Outcomes in the order in which runs end, until none is left; more may be submitted on the way."""

    def stop(self, request: Request) -> None:
        """Say that a run that has stopped at a rung will not go on."""
