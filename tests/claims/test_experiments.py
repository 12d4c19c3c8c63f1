"""Experiments as they are planned: arms as networks, equal in what they are said to hold equal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.experiments import Arm, Experiment, Size, plan_experiment
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import UsageError
from pipeline.schema import parse
from pipeline.settings import Settings, read_settings


@pytest.fixture(scope="module")
def settings() -> Settings:
    return read_settings(CHECKOUT / "params.yaml")


@pytest.fixture
def manifest(prepared_fashion_mnist: Path) -> Manifest:
    return load_manifest(prepared_fashion_mnist)


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
    assert one.recipe == other.recipe and one.recipe.train_images == 2000 and one.recipe.epochs == 2
    assert one.rates == other.rates == (0.1, 0.3)
    assert plan_experiment("depth", experiment(), "quick", settings, manifest, seeds=7).seeds[-1] == 7
    pilot = replace(experiment(), sizes={"pilot": Size(2, 0.1, first_seed=101)})
    assert plan_experiment("depth", pilot, "pilot", settings, manifest).seeds == (101, 102)


def test_unequal_arms_are_refused_with_the_figures(settings: Settings, manifest: Manifest) -> None:
    with pytest.raises(
        UsageError, match=r"experiment depth: macs must be equal within 5% .*deep 4,153,248, depth.flat 2,"
    ):
        plan_experiment("depth", experiment(equal={"macs": 0.05}), "quick", settings, manifest)
    plan_experiment("depth", experiment(equal={"macs": 0.9}), "quick", settings, manifest)


def test_a_profile_without_a_size_is_refused(settings: Settings, manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="has no size for the profile full: quick"):
        plan_experiment("depth", experiment(), "full", settings, manifest)


def test_an_impossible_arm_is_refused(settings: Settings, manifest: Manifest) -> None:
    arms = {"deep": DEEP, "flat": Arm("vgg-smal")}
    with pytest.raises(UsageError, match="did you mean 'vgg-small'"):
        plan_experiment("depth", experiment(arms=arms), "quick", settings, manifest)


def test_one_seed_proves_nothing() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Size(1, 0.1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"experiment": "dept"}, "unknown experiment 'dept'"),
        ({"contrast": {"deep": 1, "wide": -1}}, "no arm or group 'wide'"),
        ({"contrast": {"deep": 1, "flat": 1}}, "sum to 0"),
        ({"smallest": 0}, "above 0"),
        ({"of": "epochs to loss"}, "needs it"),
    ],
)
def test_a_claim_that_names_what_is_not_there_is_refused(changes: dict[str, Any], said: str) -> None:
    part = {
        "kind": "empirical", "measure": "error", "experiment": "depth", "of": "validation error",
        "contrast": {"deep": 1, "flat": -1}, "expect": "lower", "smallest": 0.5, "unit": "points", **changes,
    }  # fmt: skip
    claim = {"theme": "depth", "source": "VGG", "statement": "Deep.", "known": "contested", "parts": [part]}
    arms = {"deep": {"network": "vgg-small"}, "flat": {"network": "vgg-small"}}
    value = {"experiments": {"depth": {"question": "?", "sizes": {}, "arms": arms}}, "claims": {"V4": claim}}
    with pytest.raises(UsageError, match=said):
        parse(Catalogue, value, "claims.yaml")
