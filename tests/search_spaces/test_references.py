"""Contract tests of every reference: its recorded counts, the literature's, and torchvision's where it has a twin."""

from dataclasses import replace

import pytest
import torch
import torchvision
from torch import nn

import search_spaces
from pipeline.cost.counts import count_with_torch
from search_spaces import Reference

REFERENCES = sorted(search_spaces.references())
WITH_TWIN = [name for name in REFERENCES if search_spaces.reference(name)[1].torchvision]
PROMISED = """
lenet bn-lenet bn-lenet-source alexnet vgg11 vgg13 vgg16 vgg19 vgg11-narrow nin googlenet plain18 resnet18 resnet34
resnet50 resnet101 resnet152 resnet18-torchvision resnet34-torchvision resnet50-torchvision resnet101-torchvision
resnet152-torchvision resnext50-32x4d densenet densenet121 regnetx32
"""


def test_every_name_of_the_contract_is_a_reference() -> None:
    assert set(PROMISED.split()) <= set(REFERENCES)
    assert {f"{family}-small" for family in search_spaces.names()} <= set(REFERENCES)


def test_a_reference_is_data_that_names_its_source() -> None:
    for name, (_, reference) in search_spaces.references().items():
        assert isinstance(reference, Reference) and reference.source, name


@pytest.mark.parametrize("name", REFERENCES)
def test_references_have_their_recorded_counts(name: str) -> None:
    family, reference = search_spaces.reference(name)
    price = search_spaces.price(family, reference.config, reference.resolution)
    assert (price.params, price.macs) == (reference.params, reference.macs)
    model = search_spaces.instantiate(family, reference.config, reference.resolution, device="meta")
    assert sum(p.numel() for p in model.parameters()) == reference.params
    assert count_with_torch(model, 1, reference.resolution) == reference.macs


@pytest.mark.parametrize("name", WITH_TWIN)
def test_references_that_torchvision_has_match_its_metadata(name: str) -> None:
    family, reference = search_spaces.reference(name)
    assert reference.torchvision is not None
    weights = torchvision.models.get_model_weights(reference.torchvision)
    published = next(iter(weights)).meta
    price = search_spaces.price(family, reference.config, 224, channels=3, classes=1000)
    assert price.params == published["num_params"]
    assert price.macs / 1e9 == pytest.approx(published["_ops"], abs=0.0015)  # published to 3 decimals


@pytest.mark.parametrize("name", [n for n in WITH_TWIN if search_spaces.reference(n)[1].params < 50e6])
def test_references_that_torchvision_has_give_equal_outputs(name: str) -> None:
    """Same weights in the same order must give the same logits: the wiring is equal, not only the counts."""
    family, reference = search_spaces.reference(name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torchvision.models.get_model(reference.torchvision, weights=None, num_classes=10).eval()
        ours = search_spaces.instantiate(family, reference.config, 64, channels=3).eval()
        order = _torchvision_order(theirs, ours)
        ours.load_state_dict(order)
        images = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(ours(images), theirs(images), atol=1e-4, rtol=1e-4)


def _torchvision_order(theirs: nn.Module, ours: nn.Module) -> dict[str, torch.Tensor]:
    """torchvision's weights under our names, matched by the order in which layers with parameters run."""

    def in_running_order(model: nn.Module) -> list[nn.Module]:
        ran: list[nn.Module] = []
        hooks = [
            module.register_forward_hook(lambda m, _i, _o: ran.append(m))
            for module in model.modules()
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d)
        ]
        with torch.no_grad():
            model(torch.zeros(1, 3, 64, 64))
        for hook in hooks:
            hook.remove()
        return ran

    names = {module: name for name, module in ours.named_modules()}
    state: dict[str, torch.Tensor] = {}
    for mine, other in zip(in_running_order(ours), in_running_order(theirs), strict=True):
        for key, tensor in other.state_dict().items():
            state[f"{names[mine]}.{key}"] = tensor
    return state


def test_d2l_bottleneck_resnets_differ_from_torchvisions_by_biases_and_shortcut_norms() -> None:
    """A hand count: one bias a convolution output channel more, and 2 norm parameters a shortcut channel less."""
    widths = (256, 512, 1024, 2048)
    for name, depths in (("resnet50", (3, 4, 6, 3)), ("resnet101", (3, 4, 23, 3)), ("resnet152", (3, 8, 36, 3))):
        biases = 64 + sum(d * (w // 4 + w // 4 + w) + w for d, w in zip(depths, widths, strict=True))
        norms = sum(2 * w for w in widths)
        d2l, twin = (search_spaces.reference(n)[1] for n in (name, f"{name}-torchvision"))
        assert d2l.params - twin.params == biases - norms


def test_published_counts_are_those_of_the_literature() -> None:
    counts = {name: reference.params for name, (_, reference) in search_spaces.references().items()}
    assert counts["lenet"] == 61_706
    assert counts["bn-lenet-source"] == 44_878
    assert counts["alexnet"] == 46_764_746
    assert counts["vgg11"] == 128_806_154
    assert counts["nin"] == 1_992_166
    assert counts["googlenet"] == 5_977_530
    assert counts["resnet18"] == 11_178_378
    assert counts["densenet"] == 758_226
    assert counts["regnetx32"] == 179_290


@pytest.mark.parametrize(
    ("growth_rate", "thousands", "million_macs"),
    [(8, 85, 26), (12, 152, 38), (16, 236, 52), (24, 461, 86), (32, 758, 129), (48, 1570, 239)],
)
def test_densenets_of_other_growth_rates_have_the_published_cost(
    growth_rate: int, thousands: int, million_macs: int
) -> None:
    family, reference = search_spaces.reference("densenet")
    price = search_spaces.price(family, replace(reference.config, growth_rate=growth_rate), 96)
    assert price.params / 1e3 == pytest.approx(thousands, rel=0.005)
    assert price.macs / 1e6 == pytest.approx(million_macs, rel=0.02)


@pytest.mark.parametrize(
    ("name", "smallest"), [("alexnet", 65), ("nin", 67), ("vgg11", 32), ("densenet", 29), ("googlenet", 1)]
)
def test_smallest_inputs_are_those_of_the_literature(name: str, smallest: int) -> None:
    family, reference = search_spaces.reference(name)
    assert search_spaces.smallest_resolution(family, reference.config) == smallest
