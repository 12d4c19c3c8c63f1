"""What the statistics of verdicts do where the truth is known: by simulation, with the functions that judge.

Differences within seeds are drawn from a distribution, many times over; what is counted is how often an interval covers
the true mean, how often a study of no effects at all gives any false verdict, and how often a planted effect is found.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from pipeline.claims.inference import benjamini_hochberg, contrast, holm, seeds_needed
from pipeline.claims.judging import decide
from pipeline.claims.parts import EmpiricalPart
from pipeline.schema import STRICT

Shape = Literal["normal", "heavy-tailed", "skewed"]
SHAPES: dict[Shape, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda generator, size: generator.normal(size=size),
    "heavy-tailed": lambda generator, size: generator.standard_t(5, size=size) / np.sqrt(5 / 3),
    "skewed": lambda generator, size: (generator.gamma(4, size=size) - 4) / 2,
}
"""Distributions of mean 0 and standard deviation 1; the skewed one has a skewness of 1."""
SEEDS = (3, 5, 8, 10)
RESAMPLES = 400
PART = EmpiricalPart("empirical", "a difference", "", "validation error", {"a": 1, "b": -1}, "lower", 1.0, "points")


@dataclass(frozen=True, config=STRICT)
class Coverage:
    """Share of 95 % intervals that cover the mean of `seeds` differences: Student's, and a bootstrap's percentiles."""

    shape: Shape
    seeds: int
    student: float
    bootstrap: float
    repeats: int


@dataclass(frozen=True, config=STRICT)
class Simulation:
    """What the report tells of the rule.

    Attributes:
        coverage: of intervals.
        false_primary: share of studies without any effect in which a primary part is said to hold or be contradicted.
        false_others: share of such studies in which another part is; without effects every verdict given is false.
        found: share of planted effects of the smallest size worth speaking of that are found with the seeds planned.
        studies, primary, others, seeds: how many studies of how many parts, of how many seeds, were simulated.
    """

    coverage: tuple[Coverage, ...]
    false_primary: float
    false_others: float
    found: float
    studies: int
    primary: int
    others: int
    seeds: int


def simulate(primary: int, others: int, seeds: int, studies: int, repeats: int) -> Simulation:
    """All figures, for studies of so many parts; the same arguments give the same figures."""
    generator = np.random.default_rng(0)
    false_primary, false_others = _null_studies(generator, primary, others, seeds, studies)
    coverage = tuple(_coverage(generator, shape, n, repeats) for shape in SHAPES for n in SEEDS)
    found = _found(generator, repeats)
    return Simulation(coverage, false_primary, false_others, found, studies, primary, others, seeds)


def _coverage(generator: np.random.Generator, shape: Shape, n: int, repeats: int) -> Coverage:
    drawn = SHAPES[shape](generator, (repeats, n))
    intervals = [found.interval for differences in drawn if (found := contrast(differences.tolist())) is not None]
    student = float(np.mean([low <= 0 <= high for low, high in intervals]))
    places = generator.integers(n, size=(RESAMPLES, n))
    means = drawn[:, places].mean(axis=2)  # (repeats, RESAMPLES)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return Coverage(shape, n, student, float(np.mean((low <= 0) & (high >= 0))), repeats)


def _null_studies(
    generator: np.random.Generator, primary: int, others: int, seeds: int, studies: int
) -> tuple[float, float]:
    """Two arms of one distribution, shapes taking turns; spread so far that nothing is equivalent within 1."""
    shapes = list(SHAPES.values())
    any_primary, any_other = [], []
    for _ in range(studies):
        found = []
        for place in range(primary + others):
            one, other = shapes[place % len(shapes)](generator, (2, seeds))
            estimated = contrast((10 * (one - other)).tolist())
            assert estimated is not None
            found.append(estimated)
        p_values = {place: estimated.p_value for place, estimated in enumerate(found)}
        adjusted = holm({place: p_values[place] for place in range(primary)})
        adjusted |= benjamini_hochberg({place: p_values[place] for place in range(primary, primary + others)})
        given = [decide(PART, found[place], adjusted[place]) in ("holds", "contradicted") for place in adjusted]
        any_primary.append(any(given[:primary]))
        any_other.append(any(given[primary:]))
    return float(np.mean(any_primary)), float(np.mean(any_other))


def _found(generator: np.random.Generator, repeats: int) -> float:
    """With the seeds that `seeds_needed` plans for an effect of 1 at a spread of 1."""
    n = seeds_needed(1.0, 1.0)
    assert n is not None
    verdicts = []
    for differences in SHAPES["normal"](generator, (repeats, n)) - 1.0:
        found = contrast(differences.tolist())
        assert found is not None
        verdicts.append(found.p_value < 0.05 and found.mean < 0)
    return float(np.mean(verdicts))
