"""Statistics of verdicts against second implementations, and by simulation."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from pipeline.claims.inference import (
    benjamini_hochberg,
    contrast,
    fisher_correlation,
    holm,
    next_level_of_benjamini_hochberg,
    next_level_of_holm,
    seeds_needed,
    superiority,
)
from pipeline.claims.simulation import simulate

LEVELS = [(holm, next_level_of_holm), (benjamini_hochberg, next_level_of_benjamini_hochberg)]


def test_a_contrast_is_the_one_sample_test_of_scipy() -> None:
    from scipy.stats import ttest_1samp

    values = [1.0, 2.5, 2.0, 4.0]
    found = contrast(values)
    assert found is not None
    for null in (1.0, 3.0):
        assert found.p_differs(null) == pytest.approx(ttest_1samp(values, null).pvalue)
        assert found.p_below(null) == pytest.approx(ttest_1samp(values, null, alternative="less").pvalue)
        assert found.p_above(null) == pytest.approx(ttest_1samp(values, null, alternative="greater").pvalue)
    assert found.interval == pytest.approx(tuple(ttest_1samp(values, 0).confidence_interval()))


def test_a_value_that_is_known_to_a_step_is_not_known_exactly() -> None:
    """Limits between 3 and 30 on a grid of third-decades' thirds: more seeds share its error, and do not remove it."""
    generator, step, covered = np.random.default_rng(0), math.log(30 / 3) / 8, 0
    for _ in range(1000):
        true = generator.uniform(0, 1.5)
        limits = np.array([[1.0 + true], [1.0]]) + generator.normal(0, 0.1, (2, 8)) + generator.uniform(0, step, (2, 1))
        one, other = np.floor(limits / step) * step
        found = contrast((one - other).tolist(), shared_error=step * math.sqrt(2 / 12))
        assert found is not None
        covered += found.interval[0] <= true <= found.interval[1]
    assert covered / 1000 > 0.93
    exact, shared = contrast([1.0, 2.0]), contrast([1.0] * 10_000, shared_error=0.5)
    assert exact is not None and shared is not None
    assert (exact.error, shared.error) == (0.5, 0.5)


def test_superiority_is_the_mann_whitney_statistic_over_all_pairs() -> None:
    from scipy.stats import brunnermunzel, mannwhitneyu

    generator = np.random.default_rng(0)
    better, than = generator.normal(0, 1, 40).tolist(), generator.normal(0.5, 2, 30).tolist()
    found = superiority(better, than)
    assert found is not None and found.n == 30
    assert found.mean == pytest.approx(1 - mannwhitneyu(better, than).statistic / (40 * 30))
    assert found.p_differs(0.5) == pytest.approx(brunnermunzel(better, than).pvalue, rel=1e-6)
    assert superiority([1.0], than) is None


def test_superiority_covers_as_it_says() -> None:
    generator = np.random.default_rng(0)
    true, covered = float(1 - 0.5 * math.erfc(0.5 / math.sqrt(2 * (1 + 4)))), 0
    for _ in range(500):
        found = superiority(generator.normal(0, 1, 60).tolist(), generator.normal(0.5, 2, 60).tolist())
        assert found is not None
        covered += found.interval[0] <= true <= found.interval[1]
    assert 0.92 < covered / 500 < 0.98


def test_rank_correlations_cover_as_they_say() -> None:
    """Of a bivariate normal, Spearman's is 6/pi asin(r/2)."""
    generator, r, covered = np.random.default_rng(0), 0.8, 0
    true = 6 / math.pi * math.asin(r / 2)
    for _ in range(500):
        one, noise = generator.normal(size=(2, 40))
        pairs = list(zip(one.tolist(), (r * one + math.sqrt(1 - r * r) * noise).tolist(), strict=True))
        found = fisher_correlation(pairs)
        assert found is not None
        covered += found.interval[0] <= math.atanh(true) <= found.interval[1]
    assert 0.92 < covered / 500 < 0.98
    assert fisher_correlation([(1.0, 1.0)] * 20) is None


def test_adjusted_p_values_are_those_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = {"a": 0.001, "b": 0.02, "c": 0.03, "d": 0.03, "e": 0.5}
    methods: list[tuple[Any, Literal["holm", "fdr_bh"]]] = [(holm, "holm"), (benjamini_hochberg, "fdr_bh")]
    for ours, theirs in methods:
        expected = multipletests(list(p_values.values()), method=theirs)[1]
        assert list(dict(sorted(ours(p_values).items())).values()) == pytest.approx(list(expected))


def test_hypotheses_that_cannot_be_true_together_are_not_counted_together() -> None:
    """Of two parts with two tests each at most two hypotheses are true: 0.05 is divided by two, then by one."""
    p_values = {"a": 0.02, "b": 0.024, "c": 0.03, "d": 0.6}
    assert holm(p_values, most_true=2) == pytest.approx({"a": 0.04, "b": 0.048, "c": 0.06, "d": 0.6})
    assert holm(p_values) == pytest.approx({"a": 0.08, "b": 0.08, "c": 0.08, "d": 0.6})
    assert next_level_of_holm(list(holm(p_values, 2).values()), 2) == pytest.approx(0.025)


@pytest.mark.parametrize(("adjust", "level_of"), LEVELS)
@pytest.mark.parametrize("p_values", [(0.8,), (0.001, 0.5, 0.6), (1e-5, 1e-4, 0.02, 0.3, 0.4), (0.03, 0.2, 0.5, 0.9)])
def test_one_test_more_is_significant_just_below_the_next_level(
    adjust: Callable[[dict[int, float]], dict[int, float]],
    level_of: Callable[[list[float]], float],
    p_values: tuple[float, ...],
) -> None:
    """What is taken as the next one is the last, the largest; the others stay."""
    named = dict(enumerate(p_values))
    last, level = len(p_values) - 1, level_of(list(adjust(named).values()))
    assert adjust(named)[last] >= 0.05
    assert adjust(named | {last: 0.999 * level})[last] < 0.05
    assert adjust(named | {last: 1.001 * level})[last] >= 0.05


def test_seeds_needed_are_those_of_statsmodels() -> None:
    from statsmodels.stats.power import TTestPower

    for effect in (0.5, 1.0, 2.0):
        for level in (0.05, 0.002):
            planned = TTestPower().solve_power(effect, alpha=level, power=0.8 + level)
            assert seeds_needed(1.0, effect, level=level) == math.ceil(planned)
    assert seeds_needed(1.0, 0.0) is None and seeds_needed(0.0, 1.0) == 2


def test_seeds_needed_to_show_that_there_is_no_effect_are_enough_in_simulation() -> None:
    generator, n = np.random.default_rng(0), seeds_needed(1.0, 1.0, equivalence=True)
    assert n is not None
    found = [contrast(generator.normal(size=n).tolist()) for _ in range(2000)]
    shown = [max(one.p_below(1.0), one.p_above(-1.0)) < 0.05 for one in found if one is not None]
    assert 0.77 < np.mean(shown) < 0.88


def test_where_the_truth_is_known_the_rule_errs_as_seldom_as_it_says() -> None:
    """The margins are four standard errors of the simulation."""
    found = simulate(primary=8, others=24, seeds=8, studies=600, repeats=2000)
    assert found.false_primary <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 600)
    assert found.false_others <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 600)
    assert found.found >= 0.8 - 4 * math.sqrt(0.2 * 0.8 / 2000)
    assert 0.3 < found.found_first < found.found - 0.2  # as one of eight it is found less often
    for item in found.coverage:
        error = 4 * math.sqrt(0.05 * 0.95 / 2000)
        assert 0.93 - error < item.student < 0.97 + error, item
        assert item.bootstrap < item.student - 0.02, item  # why intervals are Student's
