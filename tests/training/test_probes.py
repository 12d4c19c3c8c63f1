"""Further measurements of trained networks."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from pipeline.training.evaluation import evaluate
from pipeline.training.images import ImageData, Images
from pipeline.training.probes import PROBES, Probed
from pipeline.training.recipe import Recipe

RECIPE = Recipe(epochs=1, batch_size=8, precision="float32")


class Corner(nn.Module):
    """Says class 1 where the pixel at row and column 3 is lit."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lit = x[:, 0, 3, 3] > 0
        return torch.stack([~lit, lit], dim=1).float() + self.bias


def images(count: int = 40) -> Images:
    """Every second image has a lit square of 2 x 2 pixels whose upper left corner is at (3, 3)."""
    pixels = torch.zeros(count, 1, 12, 12, dtype=torch.uint8)
    pixels[::2, 0, 3:5, 3:5] = 255
    labels = torch.zeros(count, dtype=torch.int64)
    labels[::2] = 1
    return Images(pixels, labels)


def probed(model: nn.Module, initial: Callable[[], nn.Module] | None = None) -> Probed:
    data = ImageData(images(), images(20), (0.0,), (1.0,))
    return Probed(model.eval(), initial or (lambda: model), RECIPE, data)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(400, 2)
    )


def test_shifts_show_how_far_a_network_follows() -> None:
    found = PROBES["shift"](probed(Corner()))
    # moved by 1, the square still covers (3, 3) when it moves up or left; by 2 it never does
    assert found == {"1 pixels": pytest.approx(25.0), "2 pixels": pytest.approx(50.0), "4 pixels": pytest.approx(50.0)}


def test_training_error_is_that_of_an_evaluation() -> None:
    asked = probed(small_network())
    found = PROBES["training error"](asked)
    score = evaluate(asked.model, asked.data.validation, asked.preparation, "float32")
    assert found["validation"] == score.error_percent
    assert found["gap"] == pytest.approx(found["validation"] - found["training"])


def test_a_densenets_classifier_is_taken_apart_by_source() -> None:
    import search_spaces

    family, reference = search_spaces.reference("densenet-small")
    model = search_spaces.instantiate(family, reference.config, 12, classes=2)
    classifier = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        classifier.weight[:, -24:-12] = 0  # the second of the last block's three layers of 12
    before = classifier.weight.detach().clone()
    found = PROBES["classifier sources"](probed(model))
    assert [name for name in found if name.startswith("weight")] == [
        "weight, earlier blocks", "weight, layer 1", "weight, layer 2", "weight, layer 3",
    ]  # fmt: skip
    assert found["weight, layer 2"] == 0 and found["rise without, layer 2"] == 0
    assert found["weight, layer 3"] > 0.5 and torch.equal(classifier.weight, before)


def test_gradients_are_those_of_the_convolutions_and_leave_the_network_as_it_was() -> None:
    model = small_network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    asked = probed(model, small_network)
    found = PROBES["layer gradients"](asked)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.training and all(parameter.grad is None for parameter in model.parameters())
    assert found["first layer, trained"] == pytest.approx(found["first layer, at the start"])
    fresh = small_network().train()
    pixels, labels = asked.data.train.take(slice(None))
    nn.functional.cross_entropy(fresh(asked.preparation.for_evaluation(pixels)), labels).backward()  # type: ignore[no-untyped-call]
    layers = [module for module in fresh.modules() if isinstance(module, nn.Conv2d)]
    gradients = [float(layer.weight.grad.norm()) for layer in layers if layer.weight.grad is not None]
    relative = [norm / float(layer.weight.detach().norm()) for norm, layer in zip(gradients, layers, strict=True)]
    assert found["first layer, trained"] == pytest.approx(gradients[0], rel=1e-4)
    decades = math.log10(max(relative) / min(relative))
    assert len(layers) > 1 and found["decades between layers, trained"] == pytest.approx(decades, rel=1e-3)
