"""Statistics of verdicts: a contrast over paired seeds with its interval, tests of difference and of equivalence.

The unit of repetition is the seed. Arms of an experiment share seeds (data order, and initial weights where shapes
agree), so the difference within each seed is analysed. Intervals and tests are Student's on these differences. At 3 to
10 seeds they cover as often as they should; a bootstrap over seeds covers too rarely (tests/claims shows both by
simulation). Many claims are judged together: Holm's method bounds the chance of any false verdict among the primary
ones, and Benjamini and Hochberg's method bounds the share of false verdicts among the others.
"""

import bisect
import functools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy.special import stdtr, stdtrit

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 10_000
MOST_FREEDOM = 1e6
"""Degrees of freedom from which Student's distribution is treated as normal."""
FEWEST_PAIRS = 10
MOST_CORRELATION = 0.999

Key = TypeVar("Key")


@dataclass(frozen=True)
class Contrast:
    """A mean difference over `n` seeds, its standard error, and Student's degrees of freedom.

    If all seeds agree, the error is 0 and the interval is that one number. A p value is then that of the sign test, 2
    to the power of minus `n`: the chance that all seeds lie on one side of a limit.
    """

    mean: float
    error: float
    freedom: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval."""
        half = _quantile(min(self.freedom, MOST_FREEDOM), 1 - ALPHA / 2) * self.error
        return self.mean - half, self.mean + half

    @property
    def spread(self) -> float:
        """The standard deviation of one seed's difference: sqrt(n) times the standard error."""
        return self.error * math.sqrt(self.n)

    def p_below(self, limit: float) -> float:
        """One-sided p value of the hypothesis that the true mean is at or above the limit."""
        if self.error == 0:
            return 0.5**self.n if self.mean < limit else 1.0
        return float(stdtr(min(self.freedom, MOST_FREEDOM), (self.mean - limit) / self.error))

    def p_above(self, limit: float) -> float:
        """One-sided p value of the hypothesis that the true mean is at or below the limit."""
        if self.error == 0:
            return 0.5**self.n if self.mean > limit else 1.0
        return float(stdtr(min(self.freedom, MOST_FREEDOM), (limit - self.mean) / self.error))

    def p_differs(self, value: float) -> float:
        """Two-sided p value of the hypothesis that the true mean is this value."""
        return min(1.0, 2 * min(self.p_below(value), self.p_above(value)))


def contrast(differences: Sequence[float], shared_error: float = 0.0) -> Contrast | None:
    """The contrast of one difference per seed; None below two seeds.

    `shared_error` is the standard deviation of an error that all differences share, so that more seeds do not reduce
    it. An example is the step of a grid of values.
    """
    n = len(differences)
    if n < 2:
        return None
    mean = math.fsum(differences) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in differences) / (n - 1))
    return Contrast(mean, math.hypot(spread / math.sqrt(n), shared_error), n - 1, n)


def superiority(better: Sequence[float], than: Sequence[float]) -> Contrast | None:
    """The probability that one of `better` is smaller than one of `than`; ties count half. None below two of either.

    Its error is that of the placements of each value among the others (DeLong et al., 1988), with Welch's degrees of
    freedom, so that the two distributions may differ in shape as well as in location.
    """
    n = min(len(better), len(than))
    if n < 2:
        return None
    ours, theirs = np.array(better)[:, None], np.array(than)[None, :]
    wins = (ours < theirs) + 0.5 * (ours == theirs)  # (better, than)
    mean = float(wins.mean())
    parts = [float(wins.mean(axis=axis).var(ddof=1)) / wins.shape[1 - axis] for axis in (1, 0)]
    variance = sum(parts)
    if variance == 0:
        return Contrast(mean, 0.0, 1, n)
    sizes = (len(better), len(than))
    freedom = variance**2 / sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    return Contrast(mean, math.sqrt(variance), freedom, n)


def apart(better: Sequence[float], than: Sequence[float], expect: Literal["higher", "equal"]) -> float | None:
    """The value at which two distributions are shown to differ from what is expected; None if they are not.

    "higher" expects that below every value the share of `better` is at least that of `than` (first-order dominance);
    "equal" expects equal shares. Smirnov's two-sample test covers all values at once: one-sided or two-sided, 5 %.
    """
    from scipy.stats import ks_2samp  # slow to import

    found = ks_2samp(better, than, alternative="less" if expect == "higher" else "two-sided")
    return float(found.statistic_location) if found.pvalue < ALPHA else None


def fisher_correlation(pairs: Sequence[tuple[float, float]]) -> Contrast | None:
    """Spearman's correlation after Fisher's transformation, with the error of Bonett and Wright (2000).

    None below ten pairs, or where one side does not vary.
    """
    if len(pairs) < FEWEST_PAIRS:
        return None
    from scipy.stats import spearmanr  # slow to import

    values = np.array(pairs)
    if any(len(set(column)) == 1 for column in values.T):
        return None
    correlation = float(spearmanr(values[:, 0], values[:, 1]).statistic)
    correlation = min(max(correlation, -MOST_CORRELATION), MOST_CORRELATION)
    error = math.sqrt((1 + correlation**2 / 2) / (len(pairs) - 3))
    return Contrast(math.atanh(correlation), error, math.inf, len(pairs))


@functools.cache
def _quantile(freedom: float, probability: float) -> float:
    """Quantile of Student's distribution, cached because a study needs few of them many times."""
    return float(stdtrit(freedom, probability))


def holm(p_values: Mapping[Key, float], most_true: int | None = None) -> dict[Key, float]:
    """P values adjusted by Holm's method: at most ALPHA of all studies reject any true hypothesis.

    If at most `most_true` hypotheses can be true together, only that many count (Shaffer, 1986): an effect cannot be
    zero and beyond a margin at once.
    """
    adjusted: dict[Key, float] = {}
    highest = 0.0
    for index, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        left = len(p_values) - index
        highest = max(highest, min(1.0, min(left, most_true or left) * p_value))
        adjusted[name] = highest
    return adjusted


def benjamini_hochberg(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """P values adjusted by Benjamini and Hochberg's method: on average, at most ALPHA of the rejections are false."""
    adjusted: dict[Key, float] = {}
    lowest = 1.0
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    for index, (name, p_value) in reversed(list(enumerate(ordered, start=1))):
        lowest = min(lowest, p_value * len(p_values) / index)
        adjusted[name] = lowest
    return adjusted


def next_level_of_holm(adjusted: Collection[float], most_true: int | None = None) -> float:
    """The unadjusted p value below which Holm's method would reject one more hypothesis, from all adjusted p values."""
    left = max(1, len(adjusted) - sum(p_value < ALPHA for p_value in adjusted))
    return ALPHA / min(left, most_true or left)


def next_level_of_benjamini_hochberg(adjusted: Collection[float]) -> float:
    """The unadjusted p value below which Benjamini and Hochberg's method would reject one more hypothesis."""
    rejected = sum(p_value < ALPHA for p_value in adjusted)
    return ALPHA * min(1.0, (rejected + 1) / max(1, len(adjusted)))


def seeds_needed(spread: float, effect: float, equivalence: bool = False, level: float = ALPHA) -> int | None:
    """Number of seeds with which a paired, two-sided test at `level` finds an `effect` with probability POWER.

    `spread` is the standard deviation of the differences. The number allows for the chance, at most `level`, that an
    effect of exactly this size is taken for a smaller one. With `equivalence`: the number with which two one-sided
    tests show that no effect is that large, if there is none. None if even MOST_SEEDS are not enough.
    """
    candidates = range(2, MOST_SEEDS + 1)
    power = _power_of_equivalence if equivalence else _power
    index = bisect.bisect_left(candidates, POWER, key=lambda n: power(n, spread, abs(effect), level))
    return candidates[index] if index < len(candidates) else None


def _power_of_equivalence(n: int, spread: float, margin: float, level: float) -> float:
    """Power of two one-sided tests if the true difference is 0: the chance that the mean lies far enough inside."""
    if spread == 0:
        return 1.0
    room = margin * math.sqrt(n) / spread - _quantile(n - 1, 1 - level)
    return max(0.0, 2 * float(stdtr(n - 1, room)) - 1) if room > 0 else 0.0


def _power(n: int, spread: float, effect: float, level: float) -> float:
    if spread == 0:
        return 1.0
    from scipy.stats import nct  # slow to import

    shift, critical = effect * math.sqrt(n) / spread, _quantile(n - 1, 1 - level / 2)
    return float(nct.sf(critical, n - 1, shift)) - level
