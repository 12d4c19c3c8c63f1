"""What the statistics of verdicts do where the truth is known: by simulation, with the functions that judge.

Differences within seeds are drawn from a distribution, many times over; what is counted is how often an interval covers
the true mean, how often studies give false verdicts, and how often a planted effect is found. In the studies parts of
all expectations take turns; half of the true effects are 0, as between two arms that are one (A/A), half lie on the
margin, where it is hardest to tell whether they are too small to speak of.
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

The skewed one is that of arms whose errors both have a skewness of 1, one of twice the spread of the other; its own
skewness is 0.63. The heavy-tailed one is Student's of 5 degrees of freedom.
"""
STUDIES = 4_000
"""Simulated studies in a simulation that is published."""
SEEDS = (3, 5, 6, 8, 10, 12)
RESAMPLES, RESAMPLED = 400, 2_000
"""Of a bootstrap, and how many of the repeats are bootstrapped."""
MARGIN, STUDY_SPREAD = 1.0, 0.7
"""Of the simulated parts, and the standard deviation of their differences over seeds in simulated studies."""
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
    """What the report tells of the rule.

    Attributes:
        coverage: of intervals.
        false_primary: share of studies in which any verdict on a primary part is false.
        false_others: share of false ones among the verdicts on other parts, mean over studies.
        found: share of planted effects of the smallest size worth speaking of that a test by itself finds with the
            seeds planned for it.
        found_first: the same where it is the first of the primary parts' tests to be rejected, at ALPHA over their
            number, with as many seeds.
        studies, primary, others, seeds: how many studies of how many parts, of how many seeds, were simulated.
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
    """All figures, for studies of so many parts; the same arguments give the same figures."""
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
    """Shapes, expectations and true effects take turns over the parts of each study."""
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
    """With the seeds that `seeds_needed` plans for an effect of 1 at a spread of 1: alone, and as one of `primary`."""
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
