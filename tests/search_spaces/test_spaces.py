"""Spaces as they are searched: their parameters, their size, their cheapest network, against full enumerations."""

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import search_spaces
from pipeline.errors import UsageError
from search_spaces import Design, Space

SPACES = sorted(search_spaces.space_parts())
WALKED = 20_000
"""Spaces up to this size are enumerated here."""


def macs(design: Design) -> float:
    return search_spaces.price(design.family, design.config, 28).macs


def all_vectors(space: Space) -> Any:
    """Every combination of values, inactive parameters included."""
    names = [parameter.name for parameter in space.parameters]
    for values in itertools.product(*(parameter.values for parameter in space.parameters)):
        yield dict(zip(names, values, strict=True))


@pytest.mark.parametrize("name", SPACES)
def test_a_spaces_documentation_names_its_size_and_the_range_of_its_cost(name: str) -> None:
    space = search_spaces.space([name])
    least, most = space.least(macs)[1], -space.least(lambda design: -macs(design))[1]
    networks = len(list(space.points())) if space.size <= WALKED else space.size
    wanted = f"{networks:,} networks, {least / 1e6:.1f} to {most / 1e6:.0f} MMACs at 28 pixels"
    documentation = re.sub(r"\s+", " ", str(search_spaces.space_parts()[name][1].__doc__))
    assert wanted in documentation, f"{name}: say {wanted!r}"


@pytest.mark.parametrize("name", [n for n in SPACES if search_spaces.space([n]).size <= WALKED])
def test_size_and_points_are_those_of_an_enumeration(name: str) -> None:
    space = search_spaces.space([name])
    points = list(space.points())
    configs = {space.design(values).config for values in points}
    assert len(configs) == len(points) <= space.size
    assert len(points) == space.size or name == "regnet"  # there two lines may round to one network
    generator = np.random.default_rng(0)
    assert all(space.design(space.draw(generator)).config in configs for _ in range(500))


@pytest.mark.parametrize("name", ["lenet", "anynet-e", "regnet"])
def test_the_cheapest_and_the_dearest_networks_are_those_of_an_enumeration(name: str) -> None:
    space = search_spaces.space([name])
    costs = [macs(space.design(values)) for values in space.points()]
    assert space.least(macs)[1] == min(costs)
    assert -space.least(lambda design: -macs(design))[1] == max(costs)


def test_the_ladder_of_anynets_takes_one_freedom_after_another() -> None:
    sizes = [search_spaces.space([f"anynet-{rung}"]).size for rung in "abcde"]
    per_stage = 5 * 4 * 2 * 3  # widths, depths, ratios, group widths
    assert sizes[0] == per_stage**4
    assert sizes[1] == (5 * 4 * 3) ** 4 * 2
    assert sizes[2] == (5 * 4) ** 4 * 2 * 3
    assert sizes[3] == 70 * 4**4 * 2 * 3  # multisets of 4 out of 5 widths
    assert sizes[4] == 70 * 35 * 2 * 3
    for values in itertools.islice(search_spaces.space(["anynet-e"]).points(), 0, None, 97):
        config = search_spaces.space(["anynet-e"]).design(values).config
        assert list(config.widths) == sorted(config.widths) and list(config.depths) == sorted(config.depths)


def test_a_mixed_space_holds_the_networks_of_its_parts() -> None:
    mixed = search_spaces.space(["lenet", "resnet"])
    assert mixed.size == sum(search_spaces.space([name]).size for name in ("lenet", "resnet"))
    generator = np.random.default_rng(0)
    families = [mixed.design(mixed.draw(generator)).family.name for _ in range(200)]
    assert 60 < families.count("lenet") < 140
    assert {parameter.name.split(".")[0] for parameter in mixed.parameters} == {"space", "lenet", "resnet"}
    assert macs(mixed.least(macs)[0]) == min(search_spaces.space([n]).least(macs)[1] for n in ("lenet", "resnet"))


def test_inactive_parameters_do_not_change_a_network() -> None:
    space = search_spaces.space(["resnet"])
    values: Mapping[str, Any] = {p.name: p.values[0] for p in space.parameters}
    assert values["resnet.stages"] == 2
    assert space.design({**values, "resnet.depth_4": 3}) == space.design(values)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["resnex"], "unknown design space 'resnex': did you mean 'resnext'"),
        (["anynet"], "did you mean 'anynet-"),
        (["lenet", "lenet"], "each named once"),
        ([], "at least one"),
    ],
)
def test_unknown_or_repeated_spaces_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search_spaces.space(names)
