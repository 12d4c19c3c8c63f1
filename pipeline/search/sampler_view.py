"""A study as its sampler sees it: in memory, with measured and running trials only.

A refused or duplicate candidate is replaced within the same Optuna trial and never enters the history.
"""

import contextlib
import math
from collections.abc import Collection, Generator, Mapping, Sequence
from functools import partial
from typing import Any

import optuna
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

import search_spaces
from pipeline.evidence.study_records import SAMPLERS, SearchPlan, Trial
from pipeline.search.asha import changes_to_end, expected_error
from pipeline.search.custom_samplers import sampler_errors
from pipeline.search.gate import costs_of, described
from pipeline.search.samplers import distributions, make_sampler, silence
from pipeline.training.seeding import derive_seed
from search_spaces import PART, Space

USUAL_DRAWS = 16
"""Number of draws that a sampler gets for one trial."""
ALL_WRONG_PERCENT = 100.0


class SamplerView:
    """A study as its sampler sees it: in memory, with costs as logarithms and estimated final errors.

    Optuna's samplers treat PRUNED trials differently (TPE ranks them below all complete ones, NSGA-II and GP ignore
    them), and accept no values of several objectives for them. Here a trial is complete as soon as it has reached a
    rung. Its error is the estimate of `expected_error`, which is corrected later. A trial that diverged has an error of
    100 %. A trial lost to a machine fault is ignored.
    """

    def __init__(self, plan: SearchPlan, space: Space) -> None:
        silence()
        self.plan, self.distributions = plan, distributions(space)
        self.study = optuna.create_study(
            directions=["minimize"] * len(plan.objectives), sampler=optuna.samplers.RandomSampler(seed=0)
        )
        self._numbers: dict[int, int] = {}
        self._costs: dict[int, list[float]] = {}
        self._learned: dict[int, Trial] = {}
        self._changes: tuple[float, ...] = ()
        self._drawn = 0
        self.attributes: dict[str, Any] = {}
        """The sampler's notes on the trial that is being drawn."""

    def draws(self, number: int, count: int) -> Generator[tuple[dict[str, Any], bool], None, None]:
        """Yield up to `count` points for trial `number`, drawn one by one, and whether each was drawn uniformly.

        Samplers that learn draw uniformly until they have data.
        """
        name = self.plan.sampler
        # all trials share one low-discrepancy sequence; with other samplers each trial has its own random stream
        seed = derive_seed(self.plan.seed, "sampler", 0 if name == "qmc" else number) % 2**32
        self.study.sampler = sampler = make_sampler(name, seed)
        if name == "qmc":
            self._continue_sequence()
        errors = contextlib.nullcontext if name in SAMPLERS else partial(sampler_errors, name)
        with errors():
            asked = self.study.ask(self.distributions)
        trial = self.study.get_trials(deepcopy=False)[asked.number]
        try:
            self._note(asked.number)
            yield asked.params, name in SAMPLERS and not asked.relative_params
            for _ in range(count - 1):
                with errors():
                    box = sampler.infer_relative_search_space(self.study, trial)
                    values = sampler.sample_relative(self.study, trial, box)
                    point = {
                        key: self._checked(
                            key, values[key] if key in values else self._independent(sampler, trial, key)
                        )
                        for key in self.distributions
                    }
                yield point, name in SAMPLERS and not values
        finally:
            self.study.tell(asked, state=OptunaState.FAIL)

    def _continue_sequence(self) -> None:
        """Continue Optuna's low-discrepancy sequence after the draws that the study's trials used.

        Optuna counts them in the study it samples for, which here ends with the driver.
        """
        if not self._counters():  # the first draw creates the counter, whose name Optuna chooses
            self.study.tell(self.study.ask(self.distributions), state=OptunaState.FAIL)
        for key in self._counters():
            self.study._storage.set_study_system_attr(self.study._study_id, key, self._drawn - 1)

    def _counters(self) -> list[str]:
        return [key for key in self.study._storage.get_study_system_attrs(self.study._study_id) if key[:4] == "qmc:"]

    def _note(self, number: int) -> None:
        """Keep the sampler's notes, except those about the drawn point, which the next draw makes stale."""
        noted = self.study.get_trials(deepcopy=False)[number].system_attrs
        self.attributes = {key: value for key, value in noted.items() if not key.startswith("tpe:")}

    def _independent(self, sampler: optuna.samplers.BaseSampler, trial: FrozenTrial, name: str) -> Any:
        return sampler.sample_independent(self.study, trial, name, self.distributions[name])

    def _checked(self, name: str, value: Any) -> Any:
        """The value as its distribution writes it; raises ValueError if the distribution does not contain it."""
        distribution = self.distributions[name]
        internal = distribution.to_internal_repr(value)
        if not distribution._contains(internal):
            raise ValueError(f"{name} (={value}) is not in {distribution}")
        return distribution.to_external_repr(internal)

    def begin(self, trial: Trial) -> None:
        """Add a trial that is training; samplers avoid its neighbourhood."""
        self._numbers[trial.number] = len(self.study.get_trials(deepcopy=False))
        self._costs[trial.number] = self.values(0.0, trial.costs)[1:]
        aside = trial.refused + trial.duplicates
        if trial.drawn_by == self.plan.sampler:
            self._drawn += aside + 1
        elif aside >= USUAL_DRAWS:  # all its draws for the trial were rejected
            self._drawn += USUAL_DRAWS
        self.study.add_trial(
            create_trial(
                state=OptunaState.RUNNING,
                params=trial.values,
                distributions=self.distributions,
                system_attrs=trial.sampler_attributes,
                constraints=self.plan.limits.excess(trial.costs),
            )
        )

    def learn(self, trials: Collection[Trial]) -> None:
        """Update the sampler's history with the progress of the trials; unchanged trials are skipped."""
        changes = changes_to_end([trial.errors for trial in trials if trial.state == "complete"], len(self.plan.rungs))
        if changes != self._changes:
            self._changes = changes
            self._learned.clear()
        stored = self.study.get_trials(deepcopy=False)
        for trial in trials:
            if self._learned.get(trial.number) is not trial:
                self._learned[trial.number] = trial
                self._correct(stored[self._numbers[trial.number]], trial)

    def _correct(self, stored: FrozenTrial, trial: Trial) -> None:
        expected = ALL_WRONG_PERCENT if trial.diverged else expected_error(trial.errors, self._changes)
        if trial.state == "failed" and not trial.diverged:
            if stored.state == OptunaState.RUNNING:
                self.study.tell(stored.number, state=OptunaState.FAIL)
        elif expected is not None:
            if stored.state == OptunaState.RUNNING:
                self.study.tell(stored.number, [expected, *self._costs[trial.number]])
            elif stored.values[0] != expected:  # an in-memory study returns its own objects, so this changes the study
                stored.values = [expected, *self._costs[trial.number]]

    def recall(self, trials: Sequence[Trial]) -> int:
        """Add another study's complete trials whose networks are in this space; returns their number."""
        space, recalled = search_spaces.space(self.plan.space), 0
        for trial in trials:
            values = adapted(trial, space)
            if trial.state != "complete" or values is None:
                continue
            costs = costs_of(space.design(values), self.plan)
            if costs is None or not {cost.key for cost in self.plan.costs} <= set(costs | trial.costs):
                continue
            error = trial.rungs[-1].validation_error_percent
            self.study.add_trial(
                create_trial(
                    values=self.values(error, trial.costs | costs),
                    params=values,
                    distributions=self.distributions,
                    constraints=self.plan.limits.excess(trial.costs | costs),
                )
            )
            recalled += 1
        return recalled

    def values(self, error_percent: float, costs: Mapping[str, float]) -> list[float]:
        """Objectives as the sampler sees them: costs as logarithms."""
        return [error_percent, *(math.log10(costs[cost.key]) for cost in self.plan.costs)]


def adapted(trial: Trial, space: Space) -> dict[str, Any] | None:
    """The point of a space that gives another study's network; None if there is none."""
    part = search_spaces.part_of(trial.values)
    if part not in space.parts:
        return None
    values = {p.name: trial.values.get(p.name, p.values[0]) for p in space.parameters}
    if PART in values:
        values[PART] = part
    if not all(values[p.name] in p.values for p in space.parameters):
        return None
    return values if described(space.design(values)) == trial.config else None
