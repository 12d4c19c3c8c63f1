"""params.yaml: what it must not say, and whose recipe is whose."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.data.manifest import load_manifest
from pipeline.errors import UsageError
from pipeline.running.plans import plan_network
from pipeline.running.single import single_request
from pipeline.settings import Entry, read_settings
from pipeline.workspace import Workspace, current_workspace

OWN = {"family": "lenet", "config": {"widths": [6, 16]}}


def test_text_that_is_not_utf8_is_told_with_its_byte(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"# f\xfcr\n" + current_workspace().params_file.read_bytes())
    with pytest.raises(UsageError, match=r"params\.yaml is not UTF-8: byte 3 is 0xfc"):
        read_settings(path)


def test_a_rate_is_not_chosen_at_another_resolution(tmp_path: Path) -> None:
    profile = read_settings(current_workspace().params_file).profiles["smoke"]
    with pytest.raises(ValueError, match="choice must not change the resolution"):
        replace(profile, choice={"epochs": 1, "resolution": 96})


def test_a_network_of_ones_own_does_not_take_the_recipe_of_a_reference_by_its_name(study: Workspace) -> None:
    settings, manifest = read_settings(study.params_file), load_manifest(study.prepared_data / "fashion-mnist")
    specs = [
        single_request(name, given, settings, "d2l", {}, manifest, 1, "cpu", False).spec
        for name, given in (("nin", None), ("nin", OWN), ("mine", OWN))
    ]
    assert [spec.recipe.resolution for spec in specs] == [224, 28, 28]
    assert specs[1] == specs[2]
    profile = replace(settings.profiles["smoke"], recipe="d2l")
    planned = plan_network("nin", Entry(config=OWN), None, profile, settings, manifest)
    assert planned.resolution == 28 and planned.recipe.resolution is None


def test_a_batch_of_one_image_is_refused_where_batch_norm_would_normalise_by_it(study: Workspace) -> None:
    settings, manifest = read_settings(study.params_file), load_manifest(study.prepared_data / "fashion-mnist")
    one = {"batch_size": 1}
    request = single_request("lenet", None, settings, "common", one, manifest, 1, "cpu", False)
    assert request.spec.recipe.batch_size == 1
    with pytest.raises(UsageError, match=r"resnet-small: batch_size \(=1\) must be at least 2"):
        single_request("resnet-small", None, settings, "common", one, manifest, 1, "cpu", False)
