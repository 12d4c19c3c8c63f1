"""From records to estimates: the effect of each part of a claim, with its standard error.

The unit of replication is a seed, shared by all arms of an experiment; a round of a timing; or a network of a
population.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.experiments import Experiment
from pipeline.claims.inference import Contrast, apart, contrast, fisher_correlation, superiority
from pipeline.claims.measures import guessed, is_reached, taken, value_of
from pipeline.claims.parts import (
    EstimatedPart,
    PopulationPart,
    Ranking,
    Scale,
    TimedContrast,
    TimedMeasure,
    TrainedContrast,
)
from pipeline.claims.timings.plans import TimedArmRecord, TimingRecord
from pipeline.evidence.population import Pairs
from pipeline.evidence.records import GroupRecord, NetworkRecord, SeedRun
from pipeline.evidence.statistics import AT_CHANCE_LEVEL, AT_THE_EDGE, IN_MICRO_BATCHES, NO_RATE_TRAINS

CAUTIONS = (AT_THE_EDGE, AT_CHANCE_LEVEL, NO_RATE_TRAINS, IN_MICRO_BATCHES)
"""Flags of arms that may explain an effect other than by the designs, also for some seeds only ("2 of 10 seeds at
chance level")."""
OF_LIMITS = ("learning rate", "trains")
"""Measures that test whether an arm is better than chance, so that failing to be is a result and not a caution."""


@dataclass(frozen=True)
class ClaimRecords:
    """The data for all estimates: records by name, and errors by pair of (cheap, expensive) training protocols."""

    experiments: Mapping[str, GroupRecord] = field(default_factory=dict)
    timings: Mapping[str, TimingRecord] = field(default_factory=dict)
    rankings: Mapping[tuple[str, str], Pairs] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """A part's contrast, on the scale of its analysis.

    Attributes:
        failed: number of compared trainings that failed.
        setting: size of the compared trainings.
        cautions: what a reader must know about the arms.
        apart: whether the distributions differ from the claim somewhere, so that the part cannot hold as a whole.
    """

    contrast: Contrast | None
    failed: int = 0
    setting: str = ""
    cautions: tuple[str, ...] = ()
    apart: bool = False


def estimate(
    part: EstimatedPart | TrainedContrast | TimedContrast | Ranking, catalogue: Catalogue, evidence: ClaimRecords
) -> Estimate | None:
    """The estimate of a part: None without a record, and without a contrast if the record has too few values."""
    if isinstance(part, TimedContrast):
        timing = evidence.timings.get(part.timing)
        return _timed(part, timing) if timing else None
    if isinstance(part, Ranking):
        pairs = evidence.rankings.get((part.cheap, part.dear))
        return Estimate(fisher_correlation(pairs)) if pairs else None
    record = evidence.experiments.get(part.experiment)
    if record is None or not record.networks:
        return None
    if isinstance(part, PopulationPart):
        return _populations(part, record)
    if isinstance(part, TrainedContrast):
        return _paired(part, catalogue.experiments[part.experiment], record)
    assert_never(part)


def null_of(part: EstimatedPart) -> float:
    """The value that the effect is compared with, on the scale of its analysis."""
    return 0.0 if part.against is None else scaled(part.scale, part.against)


def margin_of(part: EstimatedPart) -> float:
    """The smallest effect of interest, on the scale of its analysis."""
    if part.scale == "correlation":
        assert part.against is not None
        return math.atanh(part.against + part.smallest) - math.atanh(part.against)
    return scaled(part.scale, part.smallest)


def scaled(scale: Scale, value: float) -> float:
    """A value on the scale of the analysis."""
    return _FORWARD[scale](value)


def unscaled(scale: Scale, value: float) -> float:
    """The inverse of `scaled`."""
    return _BACK[scale](value)


_FORWARD: dict[Scale, Callable[[float], float]] = {"difference": float, "ratio": math.log, "correlation": math.atanh}
_BACK: dict[Scale, Callable[[float], float]] = {"difference": float, "ratio": math.exp, "correlation": math.tanh}


def _paired(part: TrainedContrast, experiment: Experiment, record: GroupRecord) -> Estimate:
    """The estimate over the seeds in which every arm has a value; without a contrast if an arm was not run."""
    arms = arms_of(record)
    members = {term: experiment.groups.get(term, (term,)) for term in part.contrast}
    compared = [arm for names in members.values() for arm in names]
    setting = _setting(record, compared)
    if any(arm not in arms for arm in compared):
        return Estimate(None, setting=setting)
    runs = {arm: {run.seed: run for run in arms[arm].runs} for arm in compared}
    differences, found_rates, classes = [], [], len(record.data.class_names)
    for seed in sorted(set.union(*(set(found) for found in runs.values()))):
        trained = {
            term: [(arms[arm], run) for arm in names if (run := _run_of(arms[arm], runs[arm], seed)) is not None]
            for term, names in members.items()
        }
        if any(len(trained[term]) < len(names) for term, names in members.items()):
            continue  # an arm was not trained with this seed
        if part.of == "epochs to loss" and not any(is_reached(run, part.target) for _, run in _all(trained)):
            continue  # no arm has reached the loss, which does not make them equal
        values = {term: _term(part, found, classes) for term, found in trained.items()}
        known = {term: value for term, value in values.items() if value is not None}
        if len(known) == len(values):
            differences.append(sum(part.contrast[term] * scaled(part.scale, value) for term, value in known.items()))
            found_rates.append(known)
    failed = sum(run.state == "failed" for arm in compared for run in arms[arm].runs)
    shared = _error_of_grids(part, arms, members, found_rates) if part.of == "learning rate" else 0.0
    wanted = (AT_THE_EDGE, IN_MICRO_BATCHES) if part.of in OF_LIMITS else CAUTIONS
    cautions = [
        f"{arm}: {flag}" for arm in compared for flag in arms[arm].flags if any(word in flag for word in wanted)
    ]
    return Estimate(contrast(differences, shared), failed, setting, tuple(cautions))


def _all(trained: Mapping[str, Sequence[tuple[NetworkRecord, SeedRun]]]) -> Iterator[tuple[NetworkRecord, SeedRun]]:
    return itertools.chain.from_iterable(trained.values())


def _run_of(network: NetworkRecord, runs: Mapping[int, SeedRun], seed: int) -> SeedRun | None:
    """The run of a seed: a failed one if no learning rate trains the network, None if the seed was not trained."""
    if not runs and NO_RATE_TRAINS in network.flags:
        return SeedRun("", seed, "failed", NO_RATE_TRAINS, (), None, None)
    return runs.get(seed)


def _term(part: TrainedContrast, trained: Sequence[tuple[NetworkRecord, SeedRun]], classes: int) -> float | None:
    """Values of a term's arms. A failed training counts at chance level."""
    values = []
    for network, run in trained:
        value = value_of(part.of, part.target, network, run, classes, part.figure)
        values.append((network, run, guessed(part.of, classes) if run.state != "complete" and value is None else value))
    return taken(part.take, values, classes)


def _error_of_grids(
    part: TrainedContrast,
    arms: Mapping[str, NetworkRecord],
    members: Mapping[str, tuple[str, ...]],
    found: Sequence[Mapping[str, float]],
) -> float:
    """Error of a contrast of learning rates that comes from the grids' steps, as a standard deviation of logarithms.

    The limit lies anywhere between the rate that was found and the next one. All seeds have the same grid, so more
    seeds do not reduce this error.
    """
    variance = 0.0
    for term, names in members.items():
        rates = sorted(arms[arm].recipe.learning_rate for arm in names)
        steps = dict(zip(rates, (math.log(high / low) for low, high in itertools.pairwise(rates)), strict=False))
        widest = max(steps.values(), default=0.0)
        squares = [(part.contrast[term] * steps.get(values[term], widest)) ** 2 / 12 for values in found]
        variance += math.fsum(squares) / max(1, len(squares))
    return math.sqrt(variance)


def _populations(part: PopulationPart, record: GroupRecord) -> Estimate:
    """The estimate from the errors of two populations; a failed network ranks behind all others."""
    better, than = (population_errors(record, name) for name in (part.better, part.than))
    failed = sum(math.isinf(error) for error in (*better, *than))
    names = [arm for arm in arms_of(record) if arm.rpartition(" ")[0] in (part.better, part.than)]
    boundary = apart(better, than, part.expect) if better and than else None
    cautions: tuple[str, ...] = ()
    if boundary is not None:
        shares = (
            f"{np.mean(np.array(e) <= boundary):.0%} of {n}" for e, n in ((better, part.better), (than, part.than))
        )
        cautions = (f"the distributions separate where {' and '.join(shares)} have errors up to {boundary:.4g} %",)
    return Estimate(superiority(better, than), failed, _setting(record, names), cautions, boundary is not None)


def population_errors(record: GroupRecord, population: str) -> list[float]:
    """Validation errors in percent of a population's networks by their first seed, infinite where it failed."""
    return [
        run.history[-1].validation_error_percent if run.state == "complete" else math.inf
        for arm, network in arms_of(record).items()
        if arm.rpartition(" ")[0] == population
        for run in network.runs[:1]
    ]


def _timed(part: TimedContrast, record: TimingRecord) -> Estimate:
    arms = {arm: timed_values(part.of, record.arms[arm]) for arm in part.contrast if arm in record.arms}
    setting = f"batches of {record.batch_size} in float32, {record.threads} thread on {record.device}"
    if len(arms) < len(part.contrast):
        return Estimate(None, setting=setting)
    differences = [
        sum(part.contrast[arm] * math.log(value) for arm, value in zip(arms, values, strict=True))
        for values in zip(*arms.values(), strict=True)
    ]
    return Estimate(contrast(differences), setting=setting)


def timed_values(of: TimedMeasure, arm: TimedArmRecord) -> Sequence[float]:
    """The measurements of an arm, one number per round."""
    return {
        "training step": arm.training_step_seconds,
        "inference": arm.inference_seconds,
        "peak memory": arm.peak_memory_bytes,
    }[of]


def arms_of(record: GroupRecord) -> dict[str, NetworkRecord]:
    """An experiment's arms by name, without the prefix of the experiment."""
    return {network.name.removeprefix(f"{record.group}."): network for network in record.networks}


def _setting(record: GroupRecord, names: Sequence[str]) -> str:
    """The size at which the arms were trained; if sizes differ, each one once."""
    sizes = [
        f"{network.resolution} pixels, {network.recipe.epochs} epochs of "
        f"{network.recipe.train_images or record.data.counts['train']:,} images"
        for name, network in arms_of(record).items()
        if name in names
    ]
    return f"{' or '.join(dict.fromkeys(sizes))}, {record.profile}" if sizes else ""
