"""Statistics of verdicts: a contrast over paired seeds with its interval, tests of difference and of equivalence.

The unit of repetition is the seed. Arms of an experiment share seeds (data order, initial weights where shapes agree),
so that what is analysed is the difference within each seed. Intervals and tests are Student's on these differences:
at 3 to 10 seeds they cover as they should, where a bootstrap over seeds covers too little (tests/claims shows both by
simulation). Many claims are judged at once: Holm's method bounds the chance of any false verdict among the primary
ones, Benjamini and Hochberg's the share of false ones among the others.
"""

import bisect
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scipy.special import stdtr, stdtrit

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 10_000

Key = TypeVar("Key")


@dataclass(frozen=True)
class Contrast:
    """A mean difference over `n` seeds; `interval` at 95 %, `inner` at 90 %, as two one-sided tests at 5 % need it.

    `p_value` is two-sided, of no difference; `spread` the sample standard deviation of the differences.
    """

    mean: float
    interval: tuple[float, float]
    inner: tuple[float, float]
    p_value: float
    spread: float
    n: int


def contrast(differences: Sequence[float]) -> Contrast | None:
    """The contrast of one difference a seed; None below two seeds.

    Where all differences are equal the interval is that one number: with p 0, or 1 where they are all 0.
    """
    n = len(differences)
    if n < 2:
        return None
    mean, spread = statistics.fmean(differences), statistics.stdev(differences)
    error = spread / math.sqrt(n)
    if error == 0:
        return Contrast(mean, (mean, mean), (mean, mean), 1.0 if mean == 0 else 0.0, 0.0, n)
    outer, inner = (float(stdtrit(n - 1, 1 - tail)) * error for tail in (ALPHA / 2, ALPHA))
    p_value = 2 * float(stdtr(n - 1, -abs(mean) / error))
    return Contrast(mean, (mean - outer, mean + outer), (mean - inner, mean + inner), p_value, spread, n)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P values adjusted by Holm's method: at most ALPHA of all studies reject any true hypothesis."""
    adjusted: dict[Key, float] = {}
    highest = 0.0
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_value))
        adjusted[name] = highest
    return adjusted


def benjamini_hochberg(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P values adjusted by Benjamini and Hochberg's method: of the rejections, ALPHA are false on average at most."""
    adjusted: dict[Key, float] = {}
    lowest = 1.0
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    for place, (name, p_value) in reversed(list(enumerate(ordered, start=1))):
        lowest = min(lowest, p_value * len(p_values) / place)
        adjusted[name] = lowest
    return adjusted


def seeds_needed(spread: float, effect: float) -> int | None:
    """Seeds with which a paired test at ALPHA finds a difference of `effect` with probability POWER.

    `spread` is the standard deviation of the differences. None where not even MOST_SEEDS would do.
    """
    candidates = range(2, MOST_SEEDS + 1)
    place = bisect.bisect_left(candidates, POWER, key=lambda n: _power(n, spread, abs(effect)))
    return candidates[place] if place < len(candidates) else None


def _power(n: int, spread: float, effect: float) -> float:
    if spread == 0:
        return 1.0
    from scipy.stats import nct  # slow to import

    shift, critical = effect * math.sqrt(n) / spread, float(stdtrit(n - 1, 1 - ALPHA / 2))
    return float(nct.sf(critical, n - 1, shift))
