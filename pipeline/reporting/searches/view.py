"""The report's view of a search: its record joined with its finalists, and numbers computed from both."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import create_trial

import search_spaces
from pipeline.cost.table import Cost, main_cost
from pipeline.errors import UsageError
from pipeline.evidence.finalist_records import FinalistComparison, FinalistsRecord, Member
from pipeline.evidence.study_records import DIVERGED, StudyRecord, TrialRecord
from pipeline.search.samplers import distributions, silence

BEST_SHARE = 0.25
"""Share of complete networks, by error, whose common traits are reported."""
FEWEST_FOR_IMPORTANCE = 16
SHOWN_IMPORTANCE = 0.01


@dataclass(frozen=True)
class Trait:
    """A value of a parameter: its share in the best complete networks, and in all complete networks."""

    parameter: str
    value: str
    best_share: float
    share: float


@dataclass(frozen=True)
class StudyView:
    """One search: its record, and its finalists' scores after retraining."""

    anchor: str
    record: StudyRecord
    finalists: FinalistsRecord | None = None

    @property
    def has_its_space(self) -> bool:
        """Whether the searched space still exists and has all values that were drawn."""
        try:
            parameters = search_spaces.space(self.record.space).parameters
        except UsageError:
            return False
        return all(
            parameter.name in trial.values and trial.values[parameter.name] in parameter.values
            for trial in self.record.complete
            for parameter in parameters
        )

    @property
    def cost(self) -> Cost:
        """The cost on the x axis of plots."""
        return main_cost(self.record.objectives)

    @property
    def further_costs(self) -> list[Cost]:
        """Costs among the objectives, without MACs and parameters, which every table has."""
        return [cost for cost in self.record.costs if cost.key not in ("macs", "params")]

    @property
    def states(self) -> Counter[str]:
        """Number of trials by state."""
        return Counter(trial.state for trial in self.record.trials)

    @property
    def split(self) -> list[int]:
        """Numbers of the trials whose batches were split to fit into memory; this changes batch norm and dropout."""
        return [trial.number for trial in self.record.trials if trial.micro_batches > 1]

    @property
    def uniform(self) -> list[TrialRecord]:
        """Trials drawn uniformly at random within the limits that reached the first rung or diverged.

        They are a random sample of the space. Those trained in full are not, if the others were stopped by their error.
        """
        drawn = [trial for trial in self.record.trials if trial.drawn_by == "random"]
        return [trial for trial in drawn if trial.rungs or (trial.reason or "").startswith(DIVERGED)]

    @property
    def members(self) -> tuple[Member, ...]:
        """The finalists."""
        return self.finalists.members if self.finalists else ()

    def comparisons(self, trial: int) -> list[FinalistComparison]:
        """The comparisons of one finalist."""
        return [item for item in (self.finalists.comparisons if self.finalists else ()) if item.trial == trial]

    def course(self) -> list[tuple[int, float]]:
        """(training images seen so far, lowest error so far), one point per network trained in full.

        Points are in the order in which rungs were reached: a network that was promoted late counts when it finished.
        Empty if the record does not hold this order.
        """
        if not all(rung.arrival for trial in self.record.trials for rung in trial.rungs):
            return []
        seen, lowest, points = 0.0, math.inf, list[tuple[int, float]]()
        for _, _, epochs, ends, trial in sorted(self._stretches(), key=lambda stretch: stretch[:3]):
            seen += trial.train_images_seen * epochs / (trial.epochs_seen or trial.rungs[-1].epochs)
            if ends:
                lowest = min(lowest, trial.errors[-1])
                points.append((round(seen), lowest))
        return points

    def _stretches(self) -> Iterator[tuple[int, int, int, bool, TrialRecord]]:
        """Pieces of training: (arrival of the rung, trial number, epochs, whether the trial completed, trial).

        The last epochs of a failed trial reach no rung. They count with its last rung, or, if it has none, with the
        trial counted before it.
        """
        before = 0
        for trial in self.record.trials:
            epochs = 0
            for rung in trial.rungs:
                ends = trial.state == "complete" and rung is trial.rungs[-1]
                yield rung.arrival, trial.number, rung.epochs - epochs, ends, trial
                epochs = rung.epochs
            rest = (trial.epochs_seen or epochs) - epochs
            if rest > 0:
                yield trial.rungs[-1].arrival if epochs else before, trial.number, rest, False, trial
            before = max(before, trial.rungs[0].arrival if epochs else 0)

    def importances(self) -> dict[str, float]:
        """Share of the variance of the error that each parameter explains alone (fANOVA), largest first.

        Covers the parameters that all networks have. Empty if there are fewer than FEWEST_FOR_IMPORTANCE complete
        trials, if all have the same error, or if the space has changed. Source: Hutter et al. (2014), "An efficient
        approach for assessing hyperparameter importance".
        """
        complete = self.record.complete
        errors = {trial.errors[-1] for trial in complete}
        if len(complete) < FEWEST_FOR_IMPORTANCE or len(errors) == 1 or not self.has_its_space:
            return {}
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances  # loads scikit-learn, a second

        space = search_spaces.space(self.record.space)
        boxes = distributions(space)
        silence()
        study = optuna.create_study(direction="minimize")
        for trial in complete:
            has = space.asked(trial.values)
            study.add_trial(
                create_trial(params=has, distributions={name: boxes[name] for name in has}, value=trial.errors[-1])
            )
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
        return {name: float(value) for name, value in found.items() if np.isfinite(value) and value >= SHOWN_IMPORTANCE}

    def traits(self, most: int = 8) -> list[Trait]:
        """Values more frequent in the best quarter of complete networks than in all; largest difference first."""
        ranked = sorted(self.record.complete, key=lambda trial: trial.errors[-1])
        best = ranked[: max(1, round(BEST_SHARE * len(ranked)))]
        if len(ranked) < FEWEST_FOR_IMPORTANCE:
            return []
        found: list[Trait] = []
        for field in sorted({key for trial in ranked for key in _fields(trial)}):
            counts, all_counts = (
                Counter(str(_fields(t)[field]) for t in trials if field in _fields(t)) for trials in (best, ranked)
            )
            for value, count in counts.items():
                shares = count / len(best), all_counts[value] / len(ranked)
                if shares[0] > shares[1] and count > 1:
                    found.append(Trait(field, value, *shares))
        return sorted(found, key=lambda trait: trait.share - trait.best_share)[:most]


def _fields(trial: TrialRecord) -> dict[str, Any]:
    """The scalar fields of a trial's Config, and its numbers of stages and blocks."""
    config = trial.config["config"]
    fields = {key: value for key, value in config.items() if not isinstance(value, list)}
    depths = config.get("depths")
    return {**fields, "stages": len(depths), "blocks": sum(depths)} if depths else fields
