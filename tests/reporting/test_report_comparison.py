from dataclasses import replace

import pytest
from report_records import DATA, group, network, nine_networks, nine_profiles, profile

from pipeline.reporting.comparison import COST_AXES, compare
from pipeline.reporting.provenance import Failure, RateScore, learning_rates, provenance_of, rate_score

MACS, PARAMS, SECONDS = COST_AXES


def test_networks_stand_in_order_of_test_error() -> None:
    (comparison,) = compare([nine_networks()], nine_profiles())
    assert comparison.measure == "test"
    errors = [error.mean for error in map(comparison.error, comparison.networks) if error]
    assert errors == sorted(errors)
    assert len(errors) == 9


def test_front_holds_the_networks_that_no_other_betters() -> None:
    cheap = network("cheap", macs=1, error=12)
    middle = network("middle", macs=20, error=9)
    dominated = network("dominated", macs=30, error=9.5)
    best = network("best", macs=40, error=7)
    (comparison,) = compare([group((best, dominated, cheap, middle))], [])
    assert [member.label for member in comparison.front(MACS)] == ["cheap", "middle", "best"]


def test_equal_networks_share_the_front() -> None:
    (comparison,) = compare([group((network("one"), network("two")))], [])
    assert [member.label for member in comparison.front(MACS)] == ["one", "two"]


def test_a_network_at_chance_is_on_no_front_however_cheap() -> None:
    (comparison,) = compare([group((network("idle", macs=1, params=1, seconds=1, error=90), network("real")))], [])
    assert all([member.label for member in comparison.front(axis)] == ["real"] for axis in COST_AXES)
    assert comparison.best is not None
    assert comparison.best.label == "real"


def test_overlapping_intervals_leave_the_order_unsettled() -> None:
    best, close, far = network("best", error=7), network("close", error=7.1), network("far", error=9)
    (comparison,) = compare([group((best, close, far))], [])
    assert [member.label for member in comparison.unsettled] == ["close"]


def test_a_single_seed_leaves_nothing_to_say_about_overlap() -> None:
    (comparison,) = compare([group((network("best", seeds=1), network("other", error=8)))], [])
    assert comparison.unsettled == ()


def test_validation_error_is_compared_where_no_network_has_a_test_error() -> None:
    (comparison,) = compare([group((network("one", tested=False), network("two", tested=False)))], [])
    assert comparison.measure == "validation"
    assert len(comparison.scored) == 2


def test_a_network_without_test_error_is_not_compared_with_those_that_have_one() -> None:
    (comparison,) = compare([group((network("tested"), network("untested", tested=False, error=5)))], [])
    assert [member.label for member in comparison.scored] == ["tested"]
    assert comparison.networks[-1].label == "untested"


def test_a_network_of_failed_seeds_has_no_error_and_names_its_reasons() -> None:
    (comparison,) = compare([group((network("dead", seeds=2, failed=2), network("real")))], [])
    assert [member.label for member in comparison.scored] == ["real"]
    failures = provenance_of(comparison).failures
    assert failures[0] == Failure("seed 0", "diverged: loss is NaN in epoch 2", ("dead",))
    assert failures[-1] == Failure("learning rate 0.3", "diverged: loss is NaN in epoch 1", ("real", "dead"))


def test_a_profile_is_joined_only_to_the_build_it_prices() -> None:
    comparisons = compare([group((network(),))], [profile(), replace(profile(), resolution=224, macs=5)])
    assert [len(comparison.networks) for comparison in comparisons] == [1, 1]
    assert comparisons[0].networks[0].cost == profile()
    assert comparisons[1].data is None
    assert comparisons[1].networks[0].label == "resnet-small #2"


def test_networks_of_other_data_or_profile_are_not_compared() -> None:
    other_data = replace(DATA, name="other", fingerprint="0" * 20)
    groups = [group((network(),), "small"), group((network(),), "other", other_data)]
    groups.append(replace(group((network(),), "long"), profile="full"))
    comparisons = compare(groups, [profile()])
    assert len(comparisons) == 3
    labels = [member.label for comparison in comparisons for member in comparison.networks]
    assert sorted(labels) == ["resnet-small (long)", "resnet-small (other)", "resnet-small (small)"]
    assert all(member.cost for comparison in comparisons for member in comparison.networks)


def test_groups_of_one_setting_are_compared_together_whatever_the_order_they_are_read_in() -> None:
    one, two = group((network("one"),), "a"), group((network("two", error=8),), "b")
    assert compare([one, two], []) == compare([two, one], [])
    assert len(compare([one, two], [])) == 1


def test_provenance_tells_shared_and_differing_fields_apart() -> None:
    (comparison,) = compare([nine_networks()], nine_profiles())
    provenance = provenance_of(comparison)
    assert provenance.recipe["epochs"] == "12"
    assert provenance.recipe["train_images"] == "all"
    assert provenance.recipe["nesterov"] == "yes"
    assert set(provenance.differing) == {"learning_rate"}
    assert provenance.differing["learning_rate"]["resnet-small"] == "0.1"
    assert provenance.seeds == (0, 1, 2)
    assert provenance.runs == 25
    assert learning_rates(comparison) == (0.03, 0.1, 0.3)


def test_a_rate_is_shown_by_the_mean_of_its_seeds_of_which_a_failed_one_guesses() -> None:
    record = network()
    good, dead = record.rates[0], record.rates[-1]
    worse = replace(good, seed=10_001, validation_error_percent=12.0)
    diverged = replace(dead, learning_rate=good.learning_rate, seed=10_002)
    (comparison,) = compare([group((replace(record, rates=(good, worse, diverged, dead)),))], [profile()])
    (shown,) = (member.record for member in comparison.networks)
    assert shown is not None and good.validation_error_percent is not None
    score = rate_score(shown, good.learning_rate, classes=10)
    assert score is not None and score.error == pytest.approx((good.validation_error_percent + 12.0 + 90.0) / 3)
    assert rate_score(shown, dead.learning_rate, 10) == RateScore(None, 0, False, "diverged: loss is NaN in epoch 1")
    assert rate_score(shown, 7.0, 10) is None
    twice = (*record.rates, replace(dead, seed=10_001))
    (comparison,) = compare([group((replace(record, rates=twice),))], [profile()])
    (failure,) = provenance_of(comparison).failures
    assert failure == Failure("learning rate 0.3", "diverged: loss is NaN in epoch 1", ("resnet-small",))


def test_machines_are_told_apart_and_counted() -> None:
    record = network()
    moved = record.runs[2].measurement
    assert moved is not None
    elsewhere = replace(record.runs[2], measurement=replace(moved, hardware={"gpu": "Example GPU", "memory": "80 GiB"}))
    record = replace(record, runs=(*record.runs[:2], elsewhere))
    (comparison,) = compare([group((record,))], [profile()])
    first, second = provenance_of(comparison).machines
    assert (first.trainings, first.latencies, first.threads) == (2, 1, (1,))
    assert (second.trainings, second.latencies) == (1, 0)
    assert first.summary == "Example CPU @ 2.6 GHz, 2 cores, 16 GiB"
    assert second.summary == "Example GPU, 80 GiB"
