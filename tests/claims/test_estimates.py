"""From records to estimates: which trainings, rounds and networks enter, and how."""

import math
from dataclasses import replace

import numpy as np
import pytest
from evidence_made import DATA, LOWER_ERROR, made_arm, made_record

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.estimates import ClaimRecords, Estimate, estimate
from pipeline.claims.experiments import Arm, Experiment, Population, Size
from pipeline.claims.judging import Adjusted, judge_estimated
from pipeline.claims.measures import value_of
from pipeline.claims.parts import EmpiricalPart, EstimatedPart, PopulationPart, RankingPart, TimedPart
from pipeline.claims.timings.plans import TimedArmRecord, TimingRecord
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.statistics import NO_RATE_TRAINS

DEPTH = Experiment("?", {"full": Size(5, 1.0)}, {"deep": Arm("vgg-small"), "flat": Arm("vgg-small")})


def estimated(part: EstimatedPart, experiment: Experiment, record: GroupRecord) -> Estimate:
    found = estimate(part, Catalogue({record.group: experiment}), ClaimRecords({record.group: record}))
    assert found is not None
    return found


def test_pairs_are_of_one_seed_and_a_failed_training_errs_as_guessing_does() -> None:
    record = made_record("depth", {"deep": (1.0, None, 3.0, 4.0), "flat": (2.0, 5.0, 5.0)})
    found = estimated(LOWER_ERROR, DEPTH, record)
    assert found.contrast is not None and found.contrast.n == 3 and found.failed == 1
    assert found.contrast.mean == pytest.approx((-1 + (50 - 5) - 2) / 3)  # of two classes
    loss = estimated(replace(LOWER_ERROR, of="training loss"), DEPTH, record)
    assert loss.contrast is not None and loss.contrast.mean == pytest.approx((math.log(2) - 1.0) / 3)
    gap = estimated(replace(LOWER_ERROR, of="loss gap"), DEPTH, record)
    assert gap.contrast is not None and gap.contrast.n == 2  # guessing has no gap to compare
    grouped = replace(DEPTH, groups={"both": ("deep", "flat")})
    both = estimated(replace(LOWER_ERROR, contrast={"both": 1}), grouped, record)
    assert both.contrast is not None and both.contrast.n == 3
    assert both.contrast.mean == pytest.approx((1.5 + (50 + 5) / 2 + 4) / 3)
    gap_of_both = estimated(replace(LOWER_ERROR, of="loss gap", contrast={"both": 1}), grouped, record)
    assert gap_of_both.contrast is not None and gap_of_both.contrast.n == 2  # not the mean of the other arm alone


def test_an_arm_that_no_rate_trains_fails_with_every_seed() -> None:
    record = made_record("depth", {"deep": (), "flat": (10.0, 20.0)})
    deep, flat = record.networks
    record = replace(record, networks=(replace(deep, flags=(NO_RATE_TRAINS,)), flat))
    found = estimated(replace(LOWER_ERROR, of="trains", expect="higher", smallest=0.2), DEPTH, record)
    assert found.contrast is not None and found.contrast.mean == pytest.approx(-1.0)
    not_run = replace(record, networks=(deep, flat))
    assert estimated(LOWER_ERROR, DEPTH, not_run).contrast is None


def test_ratios_are_factors() -> None:
    part = replace(LOWER_ERROR, scale="ratio", smallest=1.1, expect="higher", contrast={"deep": 1, "flat": -1})
    record = made_record("depth", {"deep": (20.0, 22.0, 18.0), "flat": (10.0, 11.0, 9.0)})
    found = estimated(part, DEPTH, record)
    assert found.contrast is not None and math.exp(found.contrast.mean) == pytest.approx(2.0)


def test_the_largest_rate_that_trains_is_found_for_each_seed() -> None:
    arms = {"bn .1": (20.0, 20.0), "bn 1": (30.0, 95.0), "plain .1": (20.0, None), "plain 1": (None, None)}
    rates = {"bn .1": 0.1, "bn 1": 1.0, "plain .1": 0.1, "plain 1": 1.0}
    networks = tuple(made_arm(f"rates.{name}", errors, rates[name]) for name, errors in arms.items())
    record = GroupRecord("group/1", "rates", "full", replace(DATA, class_names=tuple("0123456789")), networks)
    groups: dict[str, tuple[str, ...]] = {"with": ("bn .1", "bn 1"), "without": ("plain .1", "plain 1")}
    experiment = Experiment("?", {}, {name: Arm("lenet") for name in arms}, groups=groups)
    part = EmpiricalPart(
        kind="empirical",
        measure="largest rate",
        experiment="rates",
        of="learning rate",
        contrast={"with": 1, "without": -1},
        expect="higher",
        smallest=2.0,
        unit="times",
        scale="ratio",
        take="highest rate that trains",
    )
    found = estimated(part, experiment, record)
    assert found.contrast is None  # in seed 2 no rate trains without: one pair is left
    assert found.failed == 3
    trained = replace(networks[3], runs=networks[0].runs)
    found = estimated(part, experiment, replace(record, networks=(*networks[:3], trained)))
    assert found.contrast is not None and math.exp(found.contrast.mean) == pytest.approx(math.sqrt(1.0 * 0.1))


def test_epochs_to_a_loss_are_read_between_epochs() -> None:
    arm = made_arm("a.b", (10.0,), losses=(2.0, 1.0, 0.5))
    assert value_of("epochs to loss", 1.5, arm, arm.runs[0], 10) == pytest.approx(1.5)
    assert value_of("epochs to loss", 2.5, arm, arm.runs[0], 10) == 1.0
    assert value_of("epochs to loss", 0.1, arm, arm.runs[0], 10) == 4.0
    assert value_of("validation loss at training loss", 0.75, arm, arm.runs[0], 10) == pytest.approx(1.5)
    assert value_of("validation loss at training loss", 0.1, arm, arm.runs[0], 10) is None
    assert value_of("loss gap", None, arm, arm.runs[0], 10) == pytest.approx(0.5)


def test_that_no_arm_reaches_a_loss_does_not_make_them_equal() -> None:
    record = made_record("depth", {"deep": (1.0, 2.0, 3.0), "flat": (9.0, 9.0, 9.0)})  # at a loss of 1 throughout
    part = replace(LOWER_ERROR, of="epochs to loss", target=0.5, unit="epochs")
    assert estimated(part, DEPTH, record).contrast is None
    reached = estimated(replace(part, target=1.0), DEPTH, record).contrast
    assert reached is not None and reached.mean == 0.0


def test_one_arm_can_be_measured_by_itself() -> None:
    record = made_record("depth", {"deep": (1.0, 2.0, 3.0), "flat": (9.0, 9.0, 9.0)})
    found = estimated(replace(LOWER_ERROR, contrast={"deep": 1}), DEPTH, record)
    assert found.contrast is not None and found.contrast.mean == pytest.approx(2.0)


def population(errors: dict[str, tuple[float | None, ...]]) -> GroupRecord:
    arms = {f"{name} {index}": (error,) for name, found in errors.items() for index, error in enumerate(found, start=1)}
    return made_record("spaces", arms)


def test_populations_are_compared_by_the_chance_that_one_errs_less() -> None:
    part = PopulationPart("population", "?", "spaces", "new", "old", "higher")
    experiment = Experiment("?", {}, populations={name: Population("vgg", 3, (0, 1)) for name in ("new", "old")})
    found = estimated(part, experiment, population({"new": (1.0, 2.0, 3.0), "old": (2.5, None, 4.0)}))
    assert found.contrast is not None and found.failed == 1
    assert found.contrast.mean == pytest.approx(8 / 9)  # of nine pairs only (3, 2.5) is the other way round


def test_distributions_that_are_not_as_said_everywhere_let_a_claim_hold_in_part_only() -> None:
    generator = np.random.default_rng(0)
    old = tuple(generator.normal(12.0, 0.2, 60))
    mostly = tuple(np.where(np.arange(60) % 3 > 0, generator.normal(11.0, 0.2, 60), generator.normal(15.0, 0.2, 60)))
    experiment = Experiment("?", {}, populations={name: Population("vgg", 60, (0, 1)) for name in ("new", "old")})
    higher = PopulationPart("population", "?", "spaces", "new", "old", "higher", smallest=0.1)
    crossed = estimated(higher, experiment, population({"new": mostly, "old": old}))
    assert crossed.apart and "of new and" in crossed.cautions[0] and "of old have errors up to" in crossed.cautions[0]
    sure = Adjusted({"equivalence": 1.0, "difference": 0.001})
    assert judge_estimated(higher, crossed, sure).verdict == "holds in part"
    below = estimated(higher, experiment, population({"new": tuple(error - 1 for error in old), "old": old}))
    assert not below.apart and judge_estimated(higher, below, sure).verdict == "holds"
    equal = replace(higher, expect="equal")
    assert estimated(equal, experiment, population({"new": mostly, "old": old})).apart
    assert not estimated(equal, experiment, population({"new": old[::-1], "old": old})).apart


def test_timings_are_compared_within_rounds() -> None:
    def arm(step: tuple[float, ...]) -> TimedArmRecord:
        return TimedArmRecord(28, 1, 1, step, tuple(0.5 * seconds for seconds in step))

    arms = {"slow": arm((4.0, 8.0)), "fast": arm((1.0, 2.0))}
    record = TimingRecord("timing/1", "speed", "full", "cpu", 1, 128, arms, "")
    part = TimedPart(
        kind="timed",
        measure="?",
        timing="speed",
        of="training step",
        contrast={"slow": 1, "fast": -1},
        expect="higher",
        smallest=1.1,
    )
    for measured, factor in ((part, 4.0), (replace(part, of="inference"), 4.0)):
        found = estimate(measured, Catalogue(), ClaimRecords(timings={"speed": record}))
        assert found is not None and found.contrast is not None
        assert math.exp(found.contrast.mean) == pytest.approx(factor) and found.contrast.n == 2
    left_out = replace(record, arms={})
    found = estimate(part, Catalogue(), ClaimRecords(timings={"speed": left_out}))
    assert found is not None and found.contrast is None


def test_rankings_are_correlations_of_ranks() -> None:
    part = RankingPart("ranking", "?", "short", "full", against=0.8)
    pairs = [(float(index), index**3.0) for index in range(20)]
    pairs[3], pairs[4] = (3.0, 64.0), (4.0, 27.0)
    found = estimate(part, Catalogue(), ClaimRecords(rankings={("short", "full"): pairs}))
    assert found is not None and found.contrast is not None and 0.99 < math.tanh(found.contrast.mean) < 1
    assert estimate(part, Catalogue(), ClaimRecords()) is None
