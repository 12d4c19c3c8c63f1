"""What was compared for a claim, as the report tells it: arms by what they differ in, and the front they form."""

from dataclasses import replace

from claim_records import catalogue, evidence
from report_records import group, network

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.experiments import Arm, Experiment, Size
from pipeline.claims.parts import TrainedContrast
from pipeline.evidence.statistics import mean_interval
from pipeline.reporting.claims.arms import compared_by

COSTS = {"small": 1_000_000, "large": 2_000_000, "larger": 3_000_000}


def test_arms_of_different_cost_have_a_pareto_front() -> None:
    made = {name: replace(network(name, "vgg", 10_000, macs), name=f"kernels.{name}") for name, macs in COSTS.items()}
    errors = {"small": 14.0, "large": 12.0, "larger": 12.5}
    record = group(
        tuple(
            replace(one, validation_error_percent=mean_interval([errors[name] - 0.1, errors[name] + 0.1]))
            for name, one in made.items()
        ),
        "kernels",
    )
    experiment = Experiment("?", {"full": Size(2, 1.0)}, {name: Arm("vgg-small") for name in COSTS})
    contrast = TrainedContrast(
        kind="empirical",
        measure="all",
        experiment="kernels",
        of="validation error",
        contrast={"small": 1, "large": 1, "larger": -2},
        unit="points",
    )
    (compared,) = compared_by([contrast], Catalogue({"kernels": experiment}), ClaimRecords({"kernels": record}))
    assert compared.held["Pareto front"] == "MACs and mean error: small; large"


def test_how_rates_were_chosen_is_told_by_grids_and_seeds() -> None:
    contrast = catalogue().claims["V5"].parts
    one, other = evidence().experiments["kernels"].networks
    (same,) = compared_by(contrast, catalogue(), evidence())
    assert same.held["Learning rate"] == (
        "selected for each arm from 0.03, 0.1 and 0.3; lowest validation error after at most 2 epochs"
    )
    further = replace(one.rates[0], learning_rate=0.01)
    found = replace(evidence(), experiments={"kernels": group((one, replace(other, rates=(further,))), "kernels")})
    (own,) = compared_by(contrast, catalogue(), found)
    assert own.held["Learning rate"].startswith("selected for each arm from 1 to 3 of the rates 0.01, 0.03, 0.1")
    twice = (*one.rates, *(replace(trial, seed=10_001) for trial in one.rates))
    found = replace(evidence(), experiments={"kernels": group((replace(one, rates=twice), other), "kernels")})
    (several,) = compared_by(contrast, catalogue(), found)
    assert several.held["Learning rate"].endswith("lowest mean validation error of 2 seeds after at most 2 epochs")


def test_arms_are_told_apart_by_what_they_differ_in() -> None:
    one, other = (record for record in evidence().experiments["kernels"].networks)
    wide = replace(other, config={"depths": [1, 1], "kernel": 5}, params=12_000)
    found = replace(evidence(), experiments={"kernels": group((one, wide), "kernels")})
    (compared,) = compared_by(catalogue().claims["V5"].parts, catalogue(), found)
    assert [arm.network for arm in compared.arms] == ["vgg depths [2, 2], kernel 3", "vgg depths [1, 1], kernel 5"]
    assert compared.held["Network of all arms"] == "vgg"
