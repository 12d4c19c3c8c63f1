"""The interfaces that a driver uses: a study that stores trials, and something that trains them."""

from collections.abc import Iterator
from typing import Protocol

from pipeline.evidence.study_records import Budget, SearchPlan, Trial
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from search_spaces import Space


class StudyBook(Protocol):
    """Stores a study: in an Optuna storage, or in memory if trainings are simulated."""

    @property
    def name(self) -> str:
        """The study's name."""

    @property
    def plan(self) -> SearchPlan:
        """The plan of the study."""

    @property
    def spent_seconds(self) -> float:
        """Wall time of all drivers so far."""

    def trials(self) -> list[Trial]:
        """Every trial, in order."""

    def add(self, trial: Trial, space: Space) -> None:
        """Add a trial, the next by number, in one step that cannot be left half done."""

    def update(self, trial: Trial) -> None:
        """Store the progress or the end of a trial."""

    def note(self, *, budget: Budget | None = None, spent_seconds: float | None = None) -> None:
        """Store the budget, or the time spent."""

    def note_exhausted(self, exhausted: bool, tail: tuple[int, int] = (0, 0)) -> None:
        """Store whether the space is exhausted. `tail`: (refused, duplicates) since the last trial."""

    def measured(self) -> dict[str, dict[str, float]]:
        """Measured costs by network, including refused networks."""

    def note_measured(self, network: str, costs: dict[str, float]) -> None:
        """Store the measured costs of one more network."""


class Trains(Protocol):
    """Trains networks for a driver: a Runner, or a table of results."""

    def submit(self, request: Request) -> None:
        """Request a run; `outcomes` yields its outcome."""

    def outcomes(self) -> Iterator[Outcome]:
        """Yield outcomes in the order in which runs end, until none is left. More may be submitted meanwhile."""

    def stop(self, request: Request) -> None:
        """Report that a run that has stopped at a rung will not continue."""
