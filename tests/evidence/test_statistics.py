import math
from typing import Any, get_type_hints

import numpy as np
import pytest
from scipy import stats

from pipeline.evidence.finalist_records import FinalistComparison, Member
from pipeline.evidence.records import Interval, NetworkRecord
from pipeline.evidence.statistics import (
    AT_CHANCE_LEVEL,
    chance_error_percent,
    chance_threshold_percent,
    flags_of,
    mean_interval,
)
from pipeline.schema import parse, to_json


def test_interval_equals_a_hand_calculation() -> None:
    # mean 8, s = sqrt((1 + 0 + 1) / 2) = 1, t(2, 0.975) = 4.3027 (any t table), so 8 ± 4.3027 / sqrt(3)
    interval = mean_interval([7.0, 8.0, 9.0])
    assert interval is not None
    assert interval.mean == 8.0
    assert interval.interval == pytest.approx((8 - 2.48414, 8 + 2.48414), abs=1e-4)
    assert interval.n == 3


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_interval_equals_scipy(n: int, confidence: float) -> None:
    values = np.random.default_rng(n).normal(7, 0.4, n)
    ours = mean_interval(values.tolist(), confidence)
    assert ours is not None
    theirs = stats.t.interval(confidence, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert ours.interval == pytest.approx(tuple(theirs), rel=1e-12)
    assert ours.mean == pytest.approx(values.mean(), rel=1e-14)


def test_interval_is_absent_for_one_value_and_all_is_absent_for_none() -> None:
    assert mean_interval([7.5]) == Interval(7.5, None, 1)
    assert mean_interval([]) is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert mean_interval([7.1, 7.1, 7.1]) == Interval(7.1, (7.1, 7.1), 3)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_intervals_cover_the_mean_as_often_as_they_say(n: int) -> None:
    trials = 4000
    samples = np.random.default_rng(20 + n).normal(9.0, 0.5, (trials, n)).tolist()
    intervals = [found.interval for found in map(mean_interval, samples) if found is not None]
    covered = sum(low <= 9.0 <= high for low, high in filter(None, intervals))
    assert abs(covered / trials - 0.95) < 4 * math.sqrt(0.95 * 0.05 / trials)


def test_values_that_are_not_finite_and_bad_confidence_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values \(=\[1.0, nan\]\) must be finite"):
        mean_interval([1.0, math.nan])
    with pytest.raises(ValueError, match=r"confidence \(=1\) must be between 0 and 1"):
        mean_interval([1.0], confidence=1)


def test_chance_error_is_that_of_guessing() -> None:
    assert chance_error_percent(10) == pytest.approx(90)
    assert chance_error_percent(2) == 50
    with pytest.raises(ValueError, match=r"classes \(=0\) must be at least 1"):
        chance_error_percent(0)


def test_chance_threshold_is_three_binomial_standard_errors_below_chance() -> None:
    assert chance_threshold_percent(10) == pytest.approx(90 - 3 * 100 * math.sqrt(0.9 * 0.1 / 1000))
    assert round(chance_threshold_percent(10), 1) == 87.2
    assert round(chance_threshold_percent(2), 1) == 45.3


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_guessing_network_is_nearly_always_flagged(classes: int) -> None:
    rng = np.random.default_rng(classes)
    errors = 100 * (1 - rng.binomial(1000, 1 / classes, (2000, 1)) / 1000)
    flagged = sum(AT_CHANCE_LEVEL in flags_of(seeds, classes, failed=0) for seeds in errors.tolist())
    assert flagged / 2000 > 0.99


def test_networks_that_agree_on_one_class_are_at_chance_although_their_spread_is_tiny() -> None:
    errors = [89.98, 89.97, 89.99]
    assert stats.ttest_1samp(errors, 90, alternative="less").pvalue < 0.05
    assert flags_of(errors, 10, failed=0) == (AT_CHANCE_LEVEL,)


def test_a_weak_network_of_many_classes_has_still_learnt_something() -> None:
    assert flags_of([95.0], 1000, failed=0) == ()


def test_a_learning_network_has_no_flags() -> None:
    assert flags_of([8.1, 8.4, 7.9], 10, failed=0) == ()


def test_seeds_at_chance_are_counted_apart_from_seeds_that_failed_and_from_a_network_at_chance() -> None:
    assert flags_of([9.0, 90.0, 8.8], 10, failed=0) == ("1 of 3 seeds at chance level",)
    assert flags_of([9.0, 90.0, 8.8], 10, failed=2) == ("1 of 3 seeds at chance level", "2 of 5 seeds failed")
    assert flags_of([90.0, 89.0, 90.0], 10, failed=0) == (AT_CHANCE_LEVEL,)


def test_failed_seeds_are_named() -> None:
    assert flags_of([8.0, 8.2], 10, failed=1) == ("1 of 3 seeds failed",)
    assert flags_of([], 10, failed=2) == ("no seed completed",)
    assert flags_of([90.0], 10, failed=2) == (AT_CHANCE_LEVEL, "2 of 3 seeds failed")


@pytest.mark.parametrize("errors", [[70.0, 88.68], [0.1, 9.0], [2.0, 90.0], [100.0, 100.0], [0.0, 0.0]])
def test_a_recorded_error_has_an_interval_within_0_to_100_percent(errors: list[float]) -> None:
    wide = mean_interval(errors)
    assert wide is not None and wide.interval is not None
    member = Member(0, {}, 1, 1, errors[0], validation_error_percent=wide, test_error_percent=wide)
    read = parse(Member, to_json(member) | {"test_error_percent": to_json(wide)}, "an older record")
    assert read == member
    for error in (member.validation_error_percent, read.test_error_percent):
        assert error is not None and error.interval is not None
        low, high = error.interval
        assert 0 <= low <= error.mean <= high <= 100
        assert low == max(0, wide.interval[0]) and high == min(100, wide.interval[1])
        assert error.mean == wide.mean and error.n == 2


@pytest.mark.parametrize("record", [NetworkRecord, Member, FinalistComparison])
def test_every_error_of_a_record_is_cut(record: Any) -> None:
    kinds = get_type_hints(record)
    errors = {name for name, kind in kinds.items() if name.endswith("_error_percent") and kind == Interval | None}
    cut = record.__pydantic_decorators__.field_validators["_cut"]
    assert errors and set(cut.info.fields) == errors
