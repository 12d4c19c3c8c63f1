"""params.yaml: what it must not say, and whose recipe is whose."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import CHECKOUT

from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import UsageError
from pipeline.running.plans import RunPlan, plan_network, plan_runs
from pipeline.running.single import single_request
from pipeline.schema import parse, to_json
from pipeline.settings import NetworkEntry, read_settings
from pipeline.workspace import Workspace, current_workspace

OWN = {"family": "lenet", "config": {"widths": [6, 16]}}


def test_text_that_is_not_utf8_is_told_with_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"# f\xfcr\n" + current_workspace().params_file.read_bytes())
    with pytest.raises(UsageError, match=r"params\.yaml is not UTF-8: byte 3 is 0xfc"):
        read_settings(path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("seeds: 0", r"params\.yaml\.profiles\.smoke: seeds \(=0\) must be at least 1$"),
        ("choice: {resolution: 96}", r"params\.yaml\.profiles\.smoke: choice must not change the resolution"),
        ("rates: [0.1, -1.0]", r"params\.yaml\.profiles\.smoke: rates \(=\(0.1, -1.0\)\) must be positive"),
        ("networks: {lenet: {lenet: {rates: [0.1, 0.1]}}}", r"smoke\.networks\.lenet\.lenet: rates .* must differ"),
    ],
)
def test_an_impossible_protocol_is_refused_at_its_place(tmp_path: Path, given: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    networks = "" if given.startswith("networks") else "networks: {}, "
    path.write_text(f"""
profile: smoke
data: {{}}
recipes: {{common: {{epochs: 1}}}}
profiles: {{smoke: {{{networks}{given}}}}}
""")
    with pytest.raises(UsageError, match=said):
        read_settings(path)


def test_a_plan_names_no_rate_but_those_to_choose_from(manifest: Manifest) -> None:
    settings = read_settings(CHECKOUT / "params.yaml")
    plan = plan_runs(settings, "quick", manifest)["resnet"]
    stored = to_json(plan)
    assert "learning_rate" not in str(stored) and stored["networks"][0]["rates"] == [0.01, 0.04, 0.16, 0.64]
    assert parse(RunPlan, stored, "plan") == plan
    (network,) = plan.networks
    reported, choosing = network.recipe_at(0.3), network.choice_recipe_at(0.3)
    assert (reported.learning_rate, reported.epochs, reported.train_images) == (0.3, 3, 6000)
    assert (choosing.learning_rate, choosing.epochs, choosing.train_images) == (0.3, 2, 3000)
    with pytest.raises(ValueError, match="must not name a learning_rate: it is one of rates"):
        replace(network, recipe=to_json(reported))


def test_a_network_stands_under_its_own_family(manifest: Manifest) -> None:
    settings = read_settings(CHECKOUT / "params.yaml")
    profile = replace(settings.profiles["smoke"], networks={"lenet": {"resnet-small": NetworkEntry()}})
    with pytest.raises(UsageError, match="'resnet-small' belongs to the family resnet, not lenet"):
        plan_runs(replace(settings, profiles={"smoke": profile}), "smoke", manifest)


def test_without_a_grid_the_recipes_own_rate_is_used(manifest: Manifest) -> None:
    settings = read_settings(CHECKOUT / "params.yaml")
    protocol = replace(settings.profiles["smoke"].protocol, recipe="d2l", changes={}, rates=())
    assert plan_network("nin", None, protocol, settings, manifest).rates == (0.05,)
    assert plan_network("lenet", None, protocol, settings, manifest).rates == (0.1,)
    tuned = protocol.changed({"learning_rate": 0.02}, None)
    assert plan_network("nin", None, tuned, settings, manifest).rates == (0.02,)


def test_a_network_of_ones_own_does_not_take_the_recipe_of_a_reference_by_its_name(study: Workspace) -> None:
    settings, manifest = read_settings(study.params_file), load_manifest(study.prepared_data / "fashion-mnist")
    specs = [
        single_request(name, given, settings, "d2l", {}, manifest, 1, "cpu", False).spec
        for name, given in (("nin", None), ("nin", OWN), ("mine", OWN))
    ]
    assert [spec.recipe.resolution for spec in specs] == [224, 28, 28]
    assert specs[1] == specs[2]
    profile = replace(settings.profiles["smoke"], recipe="d2l")
    planned = plan_network("nin", OWN, profile.protocol, settings, manifest)
    assert planned.resolution == 28 and planned.recipe["resolution"] is None


def test_a_batch_of_one_image_is_refused_where_batch_norm_would_normalise_by_it(study: Workspace) -> None:
    settings, manifest = read_settings(study.params_file), load_manifest(study.prepared_data / "fashion-mnist")
    one = {"batch_size": 1}
    request = single_request("lenet", None, settings, "common", one, manifest, 1, "cpu", False)
    assert request.spec.recipe.batch_size == 1
    with pytest.raises(UsageError, match=r"resnet-small: batch_size \(=1\) must be at least 2"):
        single_request("resnet-small", None, settings, "common", one, manifest, 1, "cpu", False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  name: fashion-mnist", "  name: 2024-05-09", r"data\.name \(=2024-05-09\) is read as a date: quote it"),
        ("  name: fashion-mnist", "  name: 007", r"data\.name \(=7\) is read as a number, not as text: quote it"),
        ("  name: fashion-mnist", "  name: no", r"data\.name \(=false\) is read as true or false, not as text: quote"),
        ("  name: fashion-mnist", "  name: ~ #", r"data\.name \(=null\) is read as nothing, not as text: quote it"),
        ("\nprofile: ", "\nprofile: on  # ", r"profile \(=true\) is read as true or false, not as text: quote it"),
        ("  smoke:\n", "  no:\n", r"profiles: key False is read as true or false: quote it"),
    ],
)
def test_values_that_yaml_does_not_read_as_text_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (CHECKOUT / "params.yaml").read_text()
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError, match=message):
        read_settings(tmp_path / "params.yaml")
