"""Experiments as they are planned: arms as networks, equal in what they are said to hold equal."""

from dataclasses import replace
from typing import Any

import pytest
from conftest import CHECKOUT

import search_spaces
from pipeline.claims.catalogue import Catalogue
from pipeline.claims.experiments import Arm, Equality, Experiment, Population, Size, plan_experiment
from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.schema import parse
from pipeline.settings import Settings, read_settings


@pytest.fixture(scope="module")
def settings() -> Settings:
    return read_settings(CHECKOUT / "params.yaml")


def vgg(depths: tuple[int, ...], widths: tuple[int, ...]) -> dict[str, Any]:
    config = {"depths": depths, "widths": widths, "dense_widths": [], "dropout": 0.0, "norm": True}
    return {"family": "vgg", "config": config}


DEEP, FLAT = Arm(vgg((2, 2, 2), (12, 24, 48))), Arm(vgg((1, 1, 1), (16, 32, 71)))


def experiment(**changes: Any) -> Experiment:
    given: dict[str, Any] = {"arms": {"deep": DEEP, "flat": FLAT}, "recipe": {"epochs": 2}, **changes}
    return Experiment("?", {"quick": Size(3, 0.1, {"train_images": 2000})}, **given)


def test_arms_become_networks_of_one_protocol(settings: Settings, manifest: Manifest) -> None:
    plan = plan_experiment("depth", experiment(rates=(0.1, 0.3)), "quick", settings, manifest)
    assert [network.name for network in plan.networks] == ["depth.deep", "depth.flat"]
    assert plan.seeds == (1, 2, 3) and not plan.test
    one, other = plan.networks
    assert one.recipe == other.recipe and one.recipe["train_images"] == 2000 and one.recipe["epochs"] == 2
    assert one.rates == other.rates == (0.1, 0.3)
    assert plan_experiment("depth", experiment(), "quick", settings, manifest, seeds=7).seeds[-1] == 7
    pilot = replace(experiment(), sizes={"pilot": Size(2, 0.1, first_seed=101)})
    assert plan_experiment("depth", pilot, "pilot", settings, manifest).seeds == (101, 102)


def test_rates_are_chosen_by_seeds_of_their_own(settings: Settings, manifest: Manifest) -> None:
    one, other = plan_experiment("depth", experiment(choice_seeds=3), "quick", settings, manifest).networks
    assert one.choice_seeds == other.choice_seeds == (0, 10_001, 10_002)
    assert plan_experiment("depth", experiment(), "quick", settings, manifest).networks[0].choice_seeds == (0,)
    with pytest.raises(ValueError, match=r"choice_seeds \(=0\) must be at least 1"):
        experiment(choice_seeds=0)
    for first, seeds in ((0, 2), (9_999, 3)):
        with pytest.raises(ValueError, match="must lie from 1 to 10,000"):
            replace(experiment(), sizes={"quick": Size(seeds, 0.1, first_seed=first)})
    with pytest.raises(UsageError, match=r"experiment depth: seeds \(=10001\) .*must lie from 1 to 10,000"):
        plan_experiment("depth", experiment(), "quick", settings, manifest, seeds=10_001)


def test_unequal_arms_are_refused_with_the_figures(settings: Settings, manifest: Manifest) -> None:
    with pytest.raises(UsageError, match=r"experiment depth: macs must be equal within 5% .*deep 4,153,248, flat 2,"):
        plan_experiment("depth", experiment(equal=(Equality("macs", 0.05),)), "quick", settings, manifest)
    plan_experiment("depth", experiment(equal=(Equality("macs", 0.9),)), "quick", settings, manifest)


def test_a_profile_without_a_size_is_refused(settings: Settings, manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="has no size for the profile full: quick"):
        plan_experiment("depth", experiment(), "full", settings, manifest)


def test_an_impossible_arm_is_refused(settings: Settings, manifest: Manifest) -> None:
    arms = {"deep": DEEP, "flat": Arm("vgg-smal")}
    with pytest.raises(UsageError, match="did you mean 'vgg-small'"):
        plan_experiment("depth", experiment(arms=arms), "quick", settings, manifest)


def test_one_seed_proves_nothing() -> None:
    with pytest.raises(ValueError, match="at least 2 to compare arms"):
        Experiment("?", {"quick": Size(1, 0.1)}, {"deep": DEEP, "flat": FLAT})


def test_networks_of_a_population_are_drawn_within_their_costs_and_each_once(
    settings: Settings, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    populations = {"e": Population("anynet-e", 6, (3_000_000, 4_000_000)), "a": Population("anynet-a", 6, (0, 10**8))}
    sizes = {"quick": Size(1, 0.1), "smoke": Size(1, 0.1, networks=2)}
    spaces = Experiment("?", sizes, recipe={"epochs": 1}, rates=(0.1,), populations=populations)
    plan = plan_experiment("spaces", spaces, "quick", settings, manifest)
    names = [network.name for network in plan.networks]
    assert names == [f"spaces.{space} {number}" for space in "ea" for number in range(1, 7)]
    drawn = [network for network in plan.networks if network.name.startswith("spaces.e")]
    family = search_spaces.family("regnet")
    for network in drawn:
        config = parse(family.config, network.config, "config")
        assert 3_000_000 <= search_spaces.price(family, config, 28).macs <= 4_000_000
        assert list(config.widths) == sorted(config.widths) and list(config.depths) == sorted(config.depths)
    assert len({str(network.config) for network in drawn}) == 6
    fewer = plan_experiment("spaces", spaces, "smoke", settings, manifest)
    assert [network.config for network in fewer.networks[:2]] == [network.config for network in drawn[:2]]
    nothing = replace(spaces, populations={"a": Population("anynet-a", 2, (0, 1))})
    monkeypatch.setattr("pipeline.claims.experiments.MOST_DRAWS", 2_000)
    with pytest.raises(UsageError, match="population a: found 0 of 2 networks of anynet-a within 0 to 1 MACs"):
        plan_experiment("spaces", nothing, "quick", settings, manifest)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"experiment": "dept"}, "unknown experiment 'dept'"),
        ({"contrast": {"deep": 1, "wide": -1}}, "no arm or group 'wide'"),
        ({"contrast": {"deep": 1, "flat": 1}}, "sum to 0"),
        ({"smallest": 0}, "above 0"),
        ({"of": "epochs to loss"}, "which need it"),
        ({"kind": "timed", "timing": "speed"}, "unknown timing 'speed'"),
        ({"kind": "population", "better": "a", "than": "b"}, "no population 'a'"),
    ],
)
def test_a_claim_that_names_what_is_not_there_is_refused(changes: dict[str, Any], said: str) -> None:
    part = {
        "kind": "empirical", "measure": "error", "experiment": "depth", "of": "validation error",
        "contrast": {"deep": 1, "flat": -1}, "expect": "lower", "smallest": 0.5, "unit": "points", **changes,
    }  # fmt: skip
    if part["kind"] == "timed":
        part = {key: part[key] for key in ("kind", "measure", "contrast", "expect", "timing")}
        part |= {"of": "training step", "smallest": 1.1}
    if part["kind"] == "population":
        part = {key: part[key] for key in ("kind", "measure", "experiment", "better", "than")} | {"expect": "equal"}
    claim = {"theme": "depth", "source": "VGG", "statement": "Deep.", "known": "contested", "parts": [part]}
    arms = {"deep": {"network": "vgg-small"}, "flat": {"network": "vgg-small"}}
    value = {"experiments": {"depth": {"question": "?", "sizes": {}, "arms": arms}}, "claims": {"V4": claim}}
    with pytest.raises(UsageError, match=said):
        parse(Catalogue, value, "claims.yaml")
