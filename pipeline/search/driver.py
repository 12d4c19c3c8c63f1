"""The driver of a search: draw, check, train and record trials until the budget is spent. Only the driver writes.

A trial enters the storage when a worker gets it. So there are never more trials than the budget, and a restarted driver
finds all of them; trainings continue from their checkpoints. Decisions depend only on the storage. With one worker,
equal plans and budgets give equal trials, even after interruptions. The exception is NSGA-II with halving: Optuna
chooses a generation's parents by the errors expected when the generation began.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import search_spaces
from pipeline.evidence.records import Membership, Result
from pipeline.evidence.study_records import Budget, Rung, Trial, TrialState
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from pipeline.search.asha import Promotion, Standing, to_finish, to_promote
from pipeline.search.candidates import Candidates, spec_of
from pipeline.search.gate import MeasuredCosts
from pipeline.search.interfaces import StudyBook, Trains
from pipeline.search.measured_costs import measured_once
from pipeline.search.summary import front_of, seconds_of
from pipeline.tracking.content import SEARCH_EXPERIMENT
from pipeline.training.history import Epoch

MEASURED_AT_ONCE = 25
"""Maximum number of candidates measured in a row while trainings run; measuring a latency pauses the trainings."""


@dataclass
class Tally:
    """The state that a display shows: the trials by number, and the counts of rejected candidates.

    `found` counts the trials of earlier drivers, `spent_seconds` is their time.
    """

    trials: Mapping[int, Trial]
    budget: Budget
    found: int = 0
    spent_seconds: float = 0.0
    refused: int = 0
    duplicates: int = 0
    exhausted: bool = False


class Driver:
    """Runs a study until its budget is spent.

    Calls `on_change` after every change. The sampler also learns from the trials in `warm`.
    """

    def __init__(
        self,
        study: StudyBook,
        budget: Budget,
        runner: Trains,
        capacity: int,
        measure: MeasuredCosts = lambda design: {},
        on_change: Callable[[Tally], object] = lambda tally: None,
        warm: Sequence[Trial] = (),
        promotion: Promotion = to_promote,
    ) -> None:
        self.study, self.plan, self.budget = study, study.plan, budget
        self.runner, self.capacity = runner, capacity
        self.space = search_spaces.space(self.plan.space)
        once = measured_once(measure, study.measured(), self._note_measured)
        self.candidates = Candidates(self.plan, self.space, once, warm)
        self.trials = {trial.number: trial for trial in study.trials()}
        self._counted = sum(trial.counted_at is not None for trial in self.trials.values())
        self._arrived = sum(len(trial.rungs) for trial in self.trials.values())
        self.tally = Tally(self.trials, budget, self._counted, study.spent_seconds)
        self._on_change, self._promotion = on_change, promotion
        self._training: set[int] = set()
        self._measured = 0
        self._standings = {number: self._standing(trial) for number, trial in self.trials.items()}
        self._by_run = {trial.run: number for number, trial in self.trials.items()}
        self._began = time.monotonic()
        self._spent = study.spent_seconds

    def run(self) -> None:
        """Search until the budget is spent or the space is exhausted. Trials still waiting at a rung end as stopped."""
        self.study.note(budget=self.budget)
        self.study.note_exhausted(False)
        self._on_change(self.tally)
        for trial in self.trials.values():
            self.candidates.know(trial)
            self.candidates.view.begin(trial)
            self._count_aside(trial.refused, trial.duplicates)
        for trial in [t for t in self.trials.values() if t.state is None]:  # left by a driver that was interrupted
            if not trial.rungs:
                self._submit(trial)
            elif len(trial.rungs) == len(self.plan.rungs):
                self._end(trial, "complete")
        self._fill()
        for outcome in self.runner.outcomes():
            self._take(outcome)
            self._fill()
            self.study.note(spent_seconds=self.spent_seconds)
        for trial in [t for t in self.trials.values() if t.state is None and t.rungs]:
            self._end(trial, "stopped")
        self.study.note(spent_seconds=self.spent_seconds)

    @property
    def spent_seconds(self) -> float:
        """Wall time of this driver and the earlier ones."""
        return self._spent + time.monotonic() - self._began

    def _fill(self) -> None:
        """Give every free worker a trial, if there is one.

        If time runs out before any network has finished, the best one is still trained to the end, so that the front is
        not empty.
        """
        while len(self._training) < self.capacity:
            if not self._time_is_up():
                trial = self._promoted() or self._new() or self._last()
            else:
                trial = None if any(known.state == "complete" for known in self.trials.values()) else self._last()
            if trial is None:
                return
            self._submit(trial)

    def _time_is_up(self) -> bool:
        return self.budget.hours is not None and self.spent_seconds >= 3600 * self.budget.hours

    def _promoted(self) -> Trial | None:
        """The trial that trains on to its next rung."""
        if self.plan.reduction is None:
            return None
        number = self._promotion(list(self._standings.values()), len(self.plan.rungs), self.plan.reduction)
        return None if number is None else self.trials[number]

    def _last(self) -> Trial | None:
        """The trial that trains on although its rung is not full, because nothing else can run."""
        if self._training:
            return None
        number = to_finish(list(self._standings.values()), len(self.plan.rungs))
        return None if number is None else self.trials[number]

    def _standing(self, trial: Trial) -> Standing:
        training = trial.number in self._training
        return Standing(
            trial.number,
            trial.errors,
            tuple(self.candidates.view.values(0.0, trial.costs)[1:]),
            waiting=trial.state is None and not training,
            training=training,
        )

    def _new(self) -> Trial | None:
        """A new trial, added to the storage."""
        if self.tally.exhausted or (self.budget.trials is not None and len(self.trials) >= self.budget.trials):
            return None
        self.candidates.view.learn(self.trials.values())
        self._measured = 0
        trial = self.candidates.next(len(self.trials), self._is_put_off)
        if trial is None:
            if not self._is_put_off():
                self._exhaust()
            return None
        self.study.add(trial, self.space)
        self.trials[trial.number] = trial
        self._standings[trial.number] = self._standing(trial)
        self._by_run[trial.run] = trial.number
        self.candidates.know(trial)
        self.candidates.view.begin(trial)
        self._count_aside(trial.refused, trial.duplicates)
        return trial

    def _is_put_off(self) -> bool:
        """Whether to stop drawing for now: time is up, or measuring has paused the trainings for long enough.

        Drawing resumes later where it stopped, because measured costs are kept.
        """
        return self._time_is_up() or (bool(self._training) and self._measured >= MEASURED_AT_ONCE)

    def _note_measured(self, network: str, costs: dict[str, float]) -> None:
        self._measured += 1
        self.study.note_measured(network, costs)

    def _exhaust(self) -> None:
        self.tally.exhausted = True
        aside = (self.candidates.refused, self.candidates.duplicates)
        self._count_aside(*aside)
        self.study.note_exhausted(True, aside)

    def _count_aside(self, refused: int, duplicates: int) -> None:
        self.tally.refused += refused
        self.tally.duplicates += duplicates

    def _submit(self, trial: Trial) -> None:
        """Train a trial to its next rung."""
        self._training.add(trial.number)
        self._standings[trial.number] = self._standing(trial)
        self.runner.submit(self._request(trial))

    def front_requests(self) -> list[Request]:
        """Requests for the members of the front, with their weights."""
        members = [self.trials[number] for number in front_of(self.plan, self.trials.values())]
        return [replace(self._request(trial), weights=True) for trial in members]

    def _request(self, trial: Trial) -> Request:
        until = self.plan.rungs[min(len(trial.rungs), len(self.plan.rungs) - 1)]
        return Request(
            spec=spec_of(self.plan, trial.config),
            name=f"trial {trial.number}",
            member=Membership(SEARCH_EXPERIMENT, self.study.name, "trial"),
            until=None if until == self.plan.rungs[-1] else until,
        )

    def _take(self, outcome: Outcome) -> None:
        """Record the outcome of a run."""
        trial = self.trials[self._by_run[outcome.folder.run]]
        self._training.discard(trial.number)
        result, measurement = outcome.folder.result(), outcome.folder.measurement()
        self._counted += trial.counted_at is None
        epochs = self._epochs_seen(trial, outcome, result)
        trial = replace(
            trial,
            attempts=max(trial.attempts, outcome.attempts, measurement.attempts if measurement else 1),
            epochs_seen=epochs,
            train_seconds=seconds_of(measurement, epochs) if measurement else trial.train_seconds,
            micro_batches=measurement.micro_batches if measurement else trial.micro_batches,
            counted_at=trial.counted_at or self._counted,
            reason=outcome.reason if outcome.state == "failed" else None,
        )
        if outcome.state == "failed":
            self._end(trial, "failed")
            return
        assert result is not None
        self._arrived += 1
        trial = replace(trial, rungs=self._rungs(trial, result.history))
        if len(trial.rungs) == len(self.plan.rungs):
            self._end(trial, "complete")
        else:
            self._keep(trial)

    def _epochs_seen(self, trial: Trial, outcome: Outcome, result: Result | None) -> int:
        """Epochs that a trial has trained for this study; unchanged if the run was lost.

        A run that diverged did so in the epoch after its last complete one.
        """
        if outcome.lost:
            return trial.epochs_seen
        if outcome.state == "failed":
            return trial.epochs_seen if result is None else min(len(result.history) + 1, self.plan.recipe.epochs)
        return self.plan.rungs[len(trial.rungs)]

    def _rungs(self, trial: Trial, history: tuple[Epoch, ...]) -> tuple[Rung, ...]:
        """The trial's rungs and the one it has now reached; epochs that another study trained beyond it are ignored."""
        epochs = self.plan.rungs[len(trial.rungs)]
        return (*trial.rungs, Rung(epochs, history[epochs - 1].validation_error_percent, self._arrived))

    def _end(self, trial: Trial, state: TrialState) -> None:
        self._keep(replace(trial, state=state))
        if state == "stopped":
            self.runner.stop(self._request(trial))

    def _keep(self, trial: Trial) -> None:
        self.trials[trial.number] = trial
        self._standings[trial.number] = self._standing(trial)
        self.study.update(trial)
        self._on_change(self.tally)
