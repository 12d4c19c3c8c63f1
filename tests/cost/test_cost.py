"""Costs, each against something independent: fvcore, PyTorch's counter, hand counts, the published table."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import search_spaces
from pipeline.cost.counts import count_with_fvcore, count_with_torch, layer_table
from pipeline.cost.memory import saved_bytes_per_sample, training_memory
from pipeline.cost.profile import describe, profile_network
from pipeline.cost.records import CostProfile
from pipeline.errors import UsageError
from pipeline.schema import parse, to_json

ALL = sorted(search_spaces.references())
LARGE = 60_000_000
"""Parameters beyond which fvcore, which needs real weights, is left to the closed form and the meta path."""


@pytest.mark.parametrize("name", [n for n in ALL if search_spaces.reference(n)[1].params < LARGE])
def test_fvcore_the_meta_device_and_the_closed_form_agree(name: str) -> None:
    family, reference = search_spaces.reference(name)
    real = search_spaces.instantiate(family, reference.config, reference.resolution)
    shapes = search_spaces.instantiate(family, reference.config, reference.resolution, device="meta")
    fvcore = count_with_fvcore(real, 1, reference.resolution)
    assert fvcore.macs == count_with_torch(shapes, 1, reference.resolution) == reference.macs
    assert fvcore.total >= fvcore.macs
    table = layer_table(shapes, 1, reference.resolution)
    price = search_spaces.price(family, reference.config, reference.resolution)
    assert sum(row.macs for row in table) == price.macs
    assert sum(row.params for row in table) == price.params
    assert sum(row.activations for row in table) == price.activations


def test_lenets_cost_is_what_a_hand_count_gives() -> None:
    family, reference = search_spaces.reference("lenet")
    price = search_spaces.price(family, reference.config, 28)
    assert price.macs == 25 * 6 * 28**2 + 25 * 6 * 16 * 10**2 + 400 * 120 + 120 * 84 + 84 * 10
    assert price.params == (25 * 6 + 6) + (25 * 6 * 16 + 16) + (401 * 120) + (121 * 84) + (85 * 10)
    assert price.params_dense == (401 * 120) + (121 * 84) + (85 * 10)
    assert price.activations == 6 * 28**2 + 16 * 10**2


@pytest.mark.parametrize(
    ("name", "mebibytes"),
    [
        ("lenet", 0.03),
        ("bn-lenet-source", 0.04),
        ("alexnet", 3.8),
        ("vgg11", 46.1),
        ("vgg11-narrow", 11.8),
        ("nin", 7.3),
        ("googlenet", 6.1),
        ("resnet18", 3.7),
        ("plain18", 3.7),
        ("densenet", 5.8),
        ("regnetx32", 4.7),
    ],
)
def test_bytes_saved_for_backward_are_those_of_the_published_table(name: str, mebibytes: float) -> None:
    family, reference = search_spaces.reference(name)
    shapes = search_spaces.instantiate(family, reference.config, reference.resolution, device="meta")
    saved = saved_bytes_per_sample(shapes, 1, reference.resolution) / 2**20
    assert saved == pytest.approx(mebibytes, abs=0.08 if mebibytes > 1 else 0.005)


@pytest.mark.parametrize("name", ["lenet-small", "resnet-small", "densenet-small"])
def test_saved_bytes_on_the_meta_device_are_those_on_the_processor(name: str) -> None:
    family, reference = search_spaces.reference(name)
    counts = [
        saved_bytes_per_sample(search_spaces.instantiate(family, reference.config, 28, device=device), 1, 28)
        for device in ("meta", "cpu")
    ]
    assert counts[0] == counts[1] > 0


def test_saved_bytes_of_a_dense_layer_are_its_input() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    assert saved_bytes_per_sample(model, 1, 28) == 28 * 28 * 4


def test_training_memory_on_cpu_is_saved_tensors_weights_gradients_and_momentum() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    bytes_, kind = training_memory(model, 1, 28, batch=128, device="cpu")
    assert bytes_ == 128 * 28 * 28 * 4 + 3 * 4 * 7850
    assert "saved tensors" in kind


def test_fvcore_names_what_it_does_not_count() -> None:
    family, reference = search_spaces.reference("resnet-small")
    counted = count_with_fvcore(search_spaces.instantiate(family, reference.config, 28), 1, 28)
    assert counted.uncounted_operators == {"max_pool2d": 1, "add": 3}


def test_a_profile_is_complete_and_survives_json() -> None:
    family, reference = search_spaces.reference("lenet-small")
    profile = profile_network("lenet-small", family, reference.config, 28, run_seconds=0.02)
    assert profile.latency_seconds is not None
    assert set(profile.latency_seconds) == {"1", "128"}
    assert 0 < profile.latency_seconds["1"] < profile.latency_seconds["128"]
    assert profile.images_per_second == pytest.approx(128 / profile.latency_seconds["128"])
    assert profile.train_memory_bytes is not None and profile.train_memory_bytes > 128 * profile.saved_bytes_per_sample
    assert parse(CostProfile, to_json(profile), "profile") == profile
    told = describe(profile)
    assert f"{profile.macs:,}" in told and "fvcore's total" in told


def test_a_profile_without_latency_times_nothing() -> None:
    family, reference = search_spaces.reference("lenet")
    profile = profile_network("lenet", family, reference.config, 28, latency=False)
    assert profile.latency_seconds is None and profile.train_memory_bytes is None


def test_a_resolution_below_the_smallest_is_refused_naming_it() -> None:
    family, reference = search_spaces.reference("alexnet")
    with pytest.raises(UsageError, match="its smallest input is 65 pixels"):
        profile_network("alexnet", family, reference.config, 64)


def test_a_network_that_memory_cannot_hold_is_refused_before_it_is_built() -> None:
    family, reference = search_spaces.reference("lenet")
    with pytest.raises(UsageError, match=r"lenet needs at least \d+\.\d GiB to run, but \d+\.\d GiB are free"):
        profile_network("lenet", family, reference.config, 100_000)


def test_pricing_builds_no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(module: torch.nn.Module) -> None:
        raise AssertionError(f"{type(module).__name__} was built")

    family, reference = search_spaces.reference("vgg19")
    monkeypatch.setattr(torch.nn.Module, "__init__", refuse)
    price = search_spaces.price(family, replace(reference.config, dense_widths=(8192, 8192)), 224)
    assert price.params > 290_000_000


def test_profiling_leaves_the_random_stream_of_the_caller_alone() -> None:
    family, reference = search_spaces.reference("alexnet-small")  # with dropout
    model = search_spaces.instantiate(family, reference.config, 28)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    saved_bytes_per_sample(model, 1, 28)
    assert torch.equal(torch.rand(3), expected)
