"""Contract tests: every family in search_spaces/, every Config it samples or refuses, and what its parts do."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.trial import FixedTrial
from torch import nn

import search_spaces
from pipeline.cost.counts import count_with_torch, layer_table
from pipeline.errors import UsageError
from pipeline.schema import parse, to_json
from search_spaces import Family

FAMILIES = search_spaces.names()
SPACES = sorted(search_spaces.space_parts())
SAMPLES, PART_SAMPLES = 100, 20
TRAINED_SAMPLES = 15


def sampled(name: str, count: int, seed: int = 0) -> Iterator[tuple[Family, Any, dict[str, Any]]]:
    """`count` random networks of a space with the points that were drawn."""
    space = search_spaces.space([name])
    generator = np.random.default_rng(seed)
    for _ in range(count):
        values = space.draw(generator)
        design = space.design(values)
        yield design.family, design.config, values


def test_each_file_without_an_underscore_is_a_family_of_its_name() -> None:
    folder = Path(search_spaces.__path__[0])
    assert tuple(sorted(path.stem for path in folder.glob("*.py") if not path.name.startswith("_"))) == FAMILIES
    assert [search_spaces.family(name).name for name in FAMILIES] == list(FAMILIES)


@pytest.mark.parametrize("name", SPACES)
def test_sampled_networks_build_and_are_priced_alike_by_both_paths(name: str) -> None:
    for position, (family, config, drawn) in enumerate(sampled(name, SAMPLES if name in FAMILIES else PART_SAMPLES)):
        check_price(family, config, drawn, counted=position % 10 == 0)


def check_price(family: Family, config: Any, drawn: object, counted: bool) -> None:
    """The network costs what its closed form says; `counted` also by PyTorch's own counter, which is slow."""
    price = search_spaces.price(family, config, 28)
    model = search_spaces.instantiate(family, config, 28, device="meta")
    assert sum(p.numel() for p in model.parameters()) == price.params, drawn
    layers = layer_table(model, 1, 28)
    assert sum(layer.params for layer in layers if layer.kind == "Linear") == price.params_dense, drawn
    assert sum(layer.macs for layer in layers) == price.macs, drawn
    assert sum(layer.activations for layer in layers) == price.activations, drawn
    assert not counted or count_with_torch(model, 1, 28) == price.macs, drawn


UNSAMPLED: list[tuple[str, dict[str, Any]]] = [
    ("vgg", {"depths": [1, 2], "widths": [8, 16], "kernel": 5, "norm": True}),
    ("lenet", {"norm": True, "norm_last": True}),
    (
        "googlenet",
        {
            "stages": [[{"one": 8, "three": [4, 8], "five": [4, 8], "pool": 8}]] * 3,
            "stem": "small",
            "stem_widths": [8],
            "auxiliary": True,
        },
    ),
    ("resnext", {"depths": [1, 2], "widths": [16, 32], "groups": 4, "stem": "small", "stem_width": 8, "mixing": False}),
]
"""Networks for comparisons, which no space holds."""


@pytest.mark.parametrize(("name", "fields"), UNSAMPLED)
def test_networks_that_are_only_compared_build_and_are_priced_alike(name: str, fields: dict[str, Any]) -> None:
    family = search_spaces.family(name)
    check_price(family, parse(family.config, fields, "config"), fields, counted=True)


@pytest.mark.parametrize("name", SPACES)
def test_an_optuna_trial_draws_networks_and_configs_survive_json(name: str) -> None:
    for family, config, drawn in sampled(name, SAMPLES):
        assert search_spaces.space([name]).ask(FixedTrial(drawn)).config == config
        assert parse(family.config, json.loads(json.dumps(to_json(config))), name) == config


@pytest.mark.parametrize("name", FAMILIES)
def test_sampled_networks_train_at_their_smallest_input_with_finite_gradients(name: str) -> None:
    torch.manual_seed(0)
    for family, config, drawn in sampled(name, TRAINED_SAMPLES, seed=1):
        side = search_spaces.smallest_resolution(family, config)
        model = search_spaces.instantiate(family, config, side)
        logits = model(torch.randn(4, 1, side, side))
        assert logits.shape == (4, 10), drawn
        nn.functional.cross_entropy(logits, torch.arange(4)).backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in model.parameters()]
        assert all(g is not None and torch.isfinite(g).all() for g in gradients), drawn


@pytest.mark.parametrize("name", FAMILIES)
def test_one_pixel_less_than_the_smallest_input_is_refused_and_the_smallest_is_named(name: str) -> None:
    for family, config, _ in sampled(name, 20, seed=2):
        side = search_spaces.smallest_resolution(family, config)
        search_spaces.price(family, config, side)
        if side > 1:
            with pytest.raises(UsageError, match=f"its smallest input is {side} pixels"):
                search_spaces.price(family, config, side - 1)
            with pytest.raises(RuntimeError):
                family.build(config, 1, 10).eval()(torch.zeros(1, 1, side - 1, side - 1))


IMPOSSIBLE = [
    (
        "resnext",
        {"depths": [1], "widths": [64], "groups": 3},
        r"groups \(=3\) must divide the bottleneck width",
    ),
    (
        "regnet",
        {"depths": [1], "widths": [20], "group_widths": [16], "bottleneck_ratios": [1.0]},
        r"group_widths \(=16\)",
    ),
    ("resnet", {"depths": [1], "widths": [6], "block": "bottleneck"}, r"widths \(=\(6,\)\) of bottleneck blocks"),
    ("resnet", {"depths": [1, 1], "widths": [8]}, r"depths \(=\(1, 1\)\) must have 1 entries"),
    ("resnet", {"depths": [0], "widths": [8]}, r"depths \(=\(0,\)\) must be at least 1"),
    ("resnet", {"depths": [1], "widths": [10**9]}, r"widths \(=\(1000000000,\)\) must be between 1 and 8192"),
    ("vgg", {"depths": [], "widths": []}, r"widths \(=\(\)\) must not be empty"),
    ("vgg", {"depths": [1], "widths": [8], "dropout": 1.0}, r"dropout \(=1.0\) must be in \[0, 1\)"),
    ("nin", {"pointwise": -1}, r"pointwise \(=-1\) must be between 0 and 8"),
    ("nin", {"head": "dense"}, r"logits_relu \(=True\) needs head"),
    ("lenet", {"first_padding": 9}, r"first_padding \(=9\) must be at most half the first kernel \(=5\)"),
    ("alexnet", {"kernels": [11, 4, 3, 3, 3]}, r"kernels .* must be odd"),
    ("densenet", {"growth_rate": 8, "depths": [1], "compression": 0.0}, r"compression \(=0.0\) must be in \(0, 1\]"),
    ("googlenet", {"stages": []}, r"stages \(of 0\)"),
    ("vgg", {"depths": [1], "widths": [8], "kernel": 4}, r"kernel \(=4\) must be odd"),
    (
        "resnext",
        {"depths": [1], "widths": [16], "groups": 8, "stem_width": 4, "mixing": False},
        r"groups \(=8\) must divide every width \(=4\)",
    ),
]


@pytest.mark.parametrize(("name", "fields", "message"), IMPOSSIBLE)
def test_impossible_configs_are_refused_naming_parameter_value_and_rule(
    name: str, fields: dict[str, Any], message: str
) -> None:
    family = search_spaces.family(name)
    with pytest.raises(UsageError, match=message):
        parse(family.config, fields, "config")
    as_tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    with pytest.raises(ValueError, match=message):
        family.config(**as_tuples)


def test_unknown_config_keys_are_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match=r"config\.growth_rat: unknown key; did you mean 'growth_rate'\?"):
        parse(search_spaces.family("densenet").config, {"growth_rat": 12, "depths": [2]}, "config")


def test_unknown_families_and_networks_are_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'resnext'"):
        search_spaces.family("resnex")
    with pytest.raises(UsageError, match="did you mean 'densenet121'"):
        search_spaces.reference("densenet12")


def test_auxiliary_classifiers_are_heard_in_training_alone() -> None:
    family, reference = search_spaces.reference("googlenet-small")
    model = search_spaces.instantiate(family, replace(reference.config, auxiliary=True), 28)
    images = torch.rand(4, 1, 28, 28)
    trained = model(images)
    assert [tuple(logits.shape) for logits in trained] == [(4, 10), (4, 10)]  # two stages: one head beside the last
    assert model.eval()(images).shape == (4, 10)
    plain = sum(p.numel() for p in search_spaces.instantiate(family, reference.config, 28).parameters())
    width = reference.config.stages[0][-1].width
    assert sum(p.numel() for p in model.parameters()) == plain + 10 * width + 10


def test_groups_that_do_not_mix_exchange_nothing_within_a_block() -> None:
    family = search_spaces.family("resnext")
    fields = {"depths": [2], "widths": [16], "groups": 4, "stem": "small", "stem_width": 16}
    for mixing, groups_seen in ((True, 4), (False, 1)):
        config = parse(family.config, {**fields, "mixing": mixing}, "config")
        block = search_spaces.instantiate(family, config, 28).eval()[1][1]  # type: ignore[index]
        images = torch.rand(1, 16, 8, 8, requires_grad=True)
        block(images)[0, 0].sum().backward()
        assert images.grad is not None
        seen = {channel // 4 for channel in range(16) if images.grad[0, channel].abs().sum() > 0}
        assert len(seen) == groups_seen


def test_a_plain_network_has_no_shortcut_and_a_zeroed_residual_body_is_the_identity() -> None:
    family, reference = search_spaces.reference("resnet-small")
    model = search_spaces.instantiate(family, reference.config, 28).eval()
    block = model[1][0]  # type: ignore[index]
    nn.init.zeros_(block.body[-1].weight)
    images = torch.rand(2, 16, 14, 14)
    with torch.no_grad():
        assert torch.equal(block(images), images)
    plain = search_spaces.instantiate(family, replace(reference.config, shortcut=False), 28)
    assert plain[1][0].shortcut is None  # type: ignore[index]


def test_lenets_norms_stand_before_the_activation_and_batchnorm_geometry_is_matched() -> None:
    def kinds(name: str) -> list[str]:
        family, reference = search_spaces.reference(name)
        model = search_spaces.instantiate(family, reference.config, 28)
        return [type(layer).__name__ for layer in model.children()]

    assert kinds("bn-lenet")[:4] == ["Conv2d", "BatchNorm2d", "Sigmoid", "AvgPool2d"]
    assert [kind for kind in kinds("bn-lenet") if "Norm" not in kind] == kinds("lenet")
    family, reference = search_spaces.reference("bn-lenet")
    last = search_spaces.instantiate(family, replace(reference.config, norm_last=True), 28)
    assert [type(layer).__name__ for layer in last.children()][:3] == ["Conv2d", "Sigmoid", "BatchNorm2d"]
