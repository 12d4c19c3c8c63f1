"""From records to estimates: the effect of each part of a claim, with what it is worth.

The unit of repetition is what could have come out otherwise: a seed, of which all arms of an experiment have the same;
a round of a timing; a network of a population.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.experiments import Experiment
from pipeline.claims.inference import Contrast, contrast, fisher_correlation, superiority
from pipeline.claims.measures import taken, value_of
from pipeline.claims.parts import EmpiricalPart, EstimatedPart, PopulationPart, RankingPart, Scale, TimedPart
from pipeline.claims.timings import TimedArmRecord, TimingRecord
from pipeline.evidence.records import GroupRecord, NetworkRecord, SeedRun

Pairs = Sequence[tuple[float, float]]
"""Errors of one network each, trained cheaply and dearly."""


@dataclass(frozen=True)
class Evidence:
    """All that parts are estimated from: records by name, and errors by (cheap, dear) way to train."""

    experiments: Mapping[str, GroupRecord] = field(default_factory=dict)
    timings: Mapping[str, TimingRecord] = field(default_factory=dict)
    rankings: Mapping[tuple[str, str], Pairs] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """A part's contrast, on the scale of its analysis; `failed` of the trainings compared; `setting`: at which size."""

    contrast: Contrast | None
    failed: int = 0
    setting: str = ""


def estimate(part: EstimatedPart, catalogue: Catalogue, evidence: Evidence) -> Estimate | None:
    """The estimate of a part; None where there is no record for it, without a contrast where that is not enough."""
    if isinstance(part, TimedPart):
        timing = evidence.timings.get(part.timing)
        return _timed(part, timing) if timing else None
    if isinstance(part, RankingPart):
        pairs = evidence.rankings.get((part.cheap, part.dear))
        return Estimate(fisher_correlation(pairs, null_of(part))) if pairs else None
    record = evidence.experiments.get(part.experiment)
    if record is None or not record.networks:
        return None
    if isinstance(part, PopulationPart):
        return _populations(part, record)
    if isinstance(part, EmpiricalPart):
        return _paired(part, catalogue.experiments[part.experiment], record)
    assert_never(part)


def null_of(part: EstimatedPart) -> float:
    """What the effect is compared with, on the scale of its analysis."""
    return 0.0 if part.against is None else scaled(part.scale, part.against)


def margin_of(part: EstimatedPart) -> float:
    """The smallest effect worth speaking of, on the scale of its analysis."""
    if part.scale == "correlation":
        assert part.against is not None
        return math.atanh(part.against + part.smallest) - math.atanh(part.against)
    return scaled(part.scale, part.smallest)


def scaled(scale: Scale, value: float) -> float:
    """A value on the scale on which it is analysed."""
    return _FORWARD[scale](value)


def unscaled(scale: Scale, value: float) -> float:
    """And back."""
    return _BACK[scale](value)


_FORWARD: dict[Scale, Callable[[float], float]] = {"difference": float, "ratio": math.log, "correlation": math.atanh}
_BACK: dict[Scale, Callable[[float], float]] = {"difference": float, "ratio": math.exp, "correlation": math.tanh}


def _paired(part: EmpiricalPart, experiment: Experiment, record: GroupRecord) -> Estimate:
    """Over the seeds in which each arm has a value; without a contrast where an arm was not run."""
    arms = arms_of(record)
    members = {term: experiment.groups.get(term, (term,)) for term in part.contrast}
    compared = [arm for names in members.values() for arm in names]
    setting = _setting(record, compared)
    if any(arm not in arms for arm in compared):
        return Estimate(None, setting=setting)
    runs = {arm: {run.seed: run for run in arms[arm].runs} for arm in compared}
    differences, classes = [], len(record.data.class_names)
    for seed in sorted(set.union(*(set(found) for found in runs.values()))):
        values = {
            term: _term(part, [(arms[arm], runs[arm][seed]) for arm in names if seed in runs[arm]], classes)
            for term, names in members.items()
        }
        found = {term: value for term, value in values.items() if value is not None}
        if len(found) == len(values):
            differences.append(sum(part.contrast[term] * scaled(part.scale, value) for term, value in found.items()))
    failed = sum(run.state == "failed" for arm in compared for run in arms[arm].runs)
    return Estimate(contrast(differences, null_of(part)), failed, setting)


def _term(part: EmpiricalPart, trained: Sequence[tuple[NetworkRecord, SeedRun]], classes: int) -> float | None:
    values = [
        (network, run, value_of(part.of, part.target, network, run, classes, part.figure)) for network, run in trained
    ]
    return taken(part.take, values, classes) if values else None


def _populations(part: PopulationPart, record: GroupRecord) -> Estimate:
    """A network that failed errs more than any other."""
    better, than = (population_errors(record, name) for name in (part.better, part.than))
    failed = sum(math.isinf(error) for error in (*better, *than))
    names = [arm for arm in arms_of(record) if arm.rpartition(" ")[0] in (part.better, part.than)]
    return Estimate(superiority(better, than, part.against), failed, _setting(record, names))


def population_errors(record: GroupRecord, population: str) -> list[float]:
    """Validation errors in percent of a population's networks, infinite where the training failed."""
    return [
        run.history[-1].validation_error_percent if run.state == "complete" else math.inf
        for arm, network in arms_of(record).items()
        if arm.rpartition(" ")[0] == population
        for run in network.runs
    ]


def _timed(part: TimedPart, record: TimingRecord) -> Estimate:
    arms = {arm: _timed_values(part, record.arms[arm]) for arm in part.contrast if arm in record.arms}
    setting = f"batches of {record.batch_size} in float32, {record.threads} thread on {record.device}"
    if len(arms) < len(part.contrast):
        return Estimate(None, setting=setting)
    differences = [
        sum(part.contrast[arm] * math.log(value) for arm, value in zip(arms, values, strict=True))
        for values in zip(*arms.values(), strict=True)
    ]
    return Estimate(contrast(differences, null_of(part)), setting=setting)


def _timed_values(part: TimedPart, arm: TimedArmRecord) -> Sequence[float]:
    if part.of == "bytes kept for backward":  # counted, not measured: the same in every round
        return (float(arm.saved_bytes_per_image),) * len(arm.training_step_seconds)
    return arm.training_step_seconds if part.of == "training step" else arm.inference_seconds


def arms_of(record: GroupRecord) -> dict[str, NetworkRecord]:
    """An experiment's arms by their own names."""
    return {network.name.removeprefix(f"{record.group}."): network for network in record.networks}


def _setting(record: GroupRecord, names: Sequence[str]) -> str:
    """At which size the arms were trained."""
    arms = [network for name, network in arms_of(record).items() if name in names]
    if not arms:
        return ""
    recipe = arms[0].recipe
    images = recipe.train_images or record.data.counts["train"]
    return f"{arms[0].resolution} pixels, {recipe.epochs} epochs of {images:,} images, {record.profile}"
