"""Simulation of the verdict rule where the truth is known, with the functions that judge real claims.

Differences within seeds are drawn many times from a known distribution. Counted are how often an interval covers the
true mean, how often a study gives false verdicts, and how often a planted effect is found. The parts of a simulated
study cycle through all expected directions. Half of the true effects are 0 (A/A comparisons); half lie on the
equivalence margin, the hardest case.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from pydantic.dataclasses import dataclass

from pipeline.claims.inference import contrast, seeds_needed
from pipeline.claims.judging import Test, adjust, decide, most_true_of, p_values_of
from pipeline.claims.parts import EmpiricalPart, Expected
from pipeline.claims.verdicts import Verdict
from pipeline.schema import STRICT

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Shape = Literal["normal", "heavy-tailed", "skewed"]


def _skewed(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    one, other = generator.gamma(4, size=size) - 4, generator.gamma(4, size=size) - 4
    return np.asarray((one - other / 2) / np.sqrt(5))


SHAPES: dict[Shape, Draw] = {
    "normal": lambda generator, size: generator.normal(size=size),
    "heavy-tailed": lambda generator, size: generator.standard_t(5, size=size) / np.sqrt(5 / 3),
    "skewed": _skewed,
}
"""Distributions of mean 0 and standard deviation 1 of the difference of two arms.

The skewed one is the difference of two errors of skewness 1, one with twice the spread of the other; its own skewness
is 0.63. The heavy-tailed one is Student's distribution with 5 degrees of freedom.
"""
STUDIES = 4_000
"""Number of simulated studies in the published simulation."""
SEEDS = (3, 5, 6, 8, 10, 12)
RESAMPLES, RESAMPLED = 400, 2_000
"""Resamples per bootstrap, and the number of repeats that are bootstrapped."""
MARGIN, STUDY_SPREAD = 1.0, 0.7
"""Equivalence margin of simulated parts, and standard deviation of their differences over seeds."""
PART = EmpiricalPart(
    kind="empirical",
    measure="a difference",
    experiment="",
    of="validation error",
    contrast={"a": 1, "b": -1},
    expect="lower",
    smallest=MARGIN,
    unit="points",
)


@dataclass(frozen=True, config=STRICT)
class Coverage:
    """Share of 95 % intervals that cover the mean of `seeds` differences: Student's, and a bootstrap's percentiles.

    Student's of `repeats` draws, the bootstrap's of the first RESAMPLED of them.
    """

    shape: Shape
    seeds: int
    student: float
    bootstrap: float
    repeats: int


@dataclass(frozen=True, config=STRICT)
class Simulation:
    """Results of the simulation, as reported.

    Attributes:
        coverage: coverage of the intervals.
        false_primary: share of studies with at least one false verdict on a primary part.
        false_others: share of false verdicts on other parts, averaged over studies.
        found: share of planted effects, of the smallest size of interest, that a single test finds with the planned
            number of seeds.
        found_first: the same for the first rejection among the primary parts' tests, at ALPHA divided by their number.
        studies, primary, others, seeds: number of studies, of primary and other parts in each, and of seeds.
    """

    coverage: tuple[Coverage, ...]
    false_primary: float
    false_others: float
    found: float
    found_first: float
    studies: int
    primary: int
    others: int
    seeds: int


def simulate(primary: int, others: int, seeds: int, studies: int, repeats: int) -> Simulation:
    """Runs the simulation. The same arguments give the same figures."""
    generator = np.random.default_rng(0)
    false_primary, false_others = _studies(generator, primary, others, seeds, studies)
    coverage = tuple(_coverage(generator, shape, n, repeats) for shape in SHAPES for n in SEEDS)
    found, found_first = _found(generator, repeats, primary)
    return Simulation(coverage, false_primary, false_others, found, found_first, studies, primary, others, seeds)


def _coverage(generator: np.random.Generator, shape: Shape, n: int, repeats: int) -> Coverage:
    drawn = SHAPES[shape](generator, (repeats, n))
    intervals = [found.interval for differences in drawn if (found := contrast(differences.tolist())) is not None]
    student = float(np.mean([low <= 0 <= high for low, high in intervals]))
    places = generator.integers(n, size=(RESAMPLES, n))
    means = drawn[:RESAMPLED, places].mean(axis=2)  # (RESAMPLED, RESAMPLES)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return Coverage(shape, n, student, float(np.mean((low <= 0) & (high >= 0))), repeats)


def _studies(
    generator: np.random.Generator, primary: int, others: int, seeds: int, studies: int
) -> tuple[float, float]:
    """The two shares of false verdicts. A study's parts cycle through shapes, expectations and true effects."""
    shapes, expectations = list(SHAPES.values()), get_args(Expected)
    parts = [replace(PART, expect=expectations[index % len(expectations)]) for index in range(primary + others)]
    truths = [MARGIN * (index // len(expectations) % 2) for index in range(len(parts))]
    most_true, any_primary, share_of_others = most_true_of(parts[:primary]), [], []
    for _ in range(studies):
        tests: dict[tuple[int, Test], float] = {}
        found = []
        for index, (part, truth) in enumerate(zip(parts, truths, strict=True)):
            drawn = STUDY_SPREAD * shapes[index % len(shapes)](generator, (seeds,))
            estimated = contrast((truth + drawn).tolist())
            assert estimated is not None
            found.append(estimated)
            tests |= {(index, test): p_value for test, p_value in p_values_of(part, estimated).items()}
        adjusted: dict[int, dict[Test, float]] = {}
        for (index, test), p_value in adjust(tests, lambda key: key[0] < primary, most_true).items():
            adjusted.setdefault(index, {})[test] = p_value
        verdicts = [decide(part, found[index], adjusted[index]) for index, part in enumerate(parts)]
        false = [_is_false(*judged) for judged in zip(verdicts, parts, truths, strict=True)]
        any_primary.append(any(false[:primary]))
        given = sum(verdict != "undecided" for verdict in verdicts[primary:])
        share_of_others.append(sum(false[primary:]) / max(1, given))
    return float(np.mean(any_primary)), float(np.mean(share_of_others))


def _is_false(verdict: Verdict, part: EmpiricalPart, truth: float) -> bool:
    if verdict == "equivalent":
        return abs(truth) >= MARGIN
    if verdict not in ("holds", "contradicted"):
        return False
    right = {
        "lower": (truth < 0, truth > 0),
        "higher": (truth > 0, truth < 0),
        "equal": (abs(truth) < MARGIN, abs(truth) > MARGIN),
        "not higher": (truth < MARGIN, truth > MARGIN),
    }[part.expect]
    return not right[verdict == "contradicted"]


def _found(generator: np.random.Generator, repeats: int, primary: int) -> tuple[float, float]:
    """Shares of effects found with the seeds that `seeds_needed` plans at a spread of 1: alone, and among `primary`."""
    n = seeds_needed(1.0, 1.0)
    assert n is not None
    verdicts = []
    for differences in SHAPES["normal"](generator, (repeats, n)) - 1.0:
        found = contrast(differences.tolist())
        assert found is not None
        p_values = p_values_of(PART, found)
        first = {test: min(1.0, primary * p_value) for test, p_value in p_values.items()}
        verdicts.append([decide(PART, found, given) == "holds" for given in (p_values, first)])
    alone, adjusted = np.mean(verdicts, axis=0)
    return float(alone), float(adjusted)
