"""Further measurements of a trained network, on training and validation images only.

A probe is a function from a trained network to figures by name. It runs where the weights are, and its figures are
stored with the run.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from pipeline.training.evaluation import autocast, evaluate
from pipeline.training.images import ImageData, Images, Preparation
from pipeline.training.loss import training_loss
from pipeline.training.recipe import Recipe

Figures = dict[str, float]
SAMPLE = 4000
"""Training images on which the training error is measured."""
GRADIENT_BATCH = 256
TINY = 1e-30
SHIFTS = (1, 2, 4)
"""Shifts in pixels of the stored images."""


@dataclass(frozen=True)
class Probed:
    """A trained network in eval mode, with its data. `initial` builds the same network with its initial weights.

    `alive` is called after each evaluated batch.
    """

    model: nn.Module
    initial: Callable[[], nn.Module]
    recipe: Recipe
    data: ImageData
    alive: Callable[[], object] = lambda: None

    @property
    def preparation(self) -> Preparation:
        """The conversion of images to network inputs."""
        return self.data.preparation(self.recipe)

    def error_percent(self, images: Images) -> float:
        """Share of wrong answers on these images, in percent."""
        return evaluate(self.model, images, self.preparation, self.recipe.precision, self.alive).error_percent


def training_error(probed: Probed) -> Figures:
    """Error on a sample of training images and on the validation images, in percent, and their difference."""
    training = probed.error_percent(probed.data.train.subset(SAMPLE))
    validation = probed.error_percent(probed.data.validation)
    return {"training": training, "validation": validation, "gap": validation - training}


def shift(probed: Probed) -> Figures:
    """Increase of the validation error, in points, if images are shifted; mean over four directions.

    The pixels that move in have the value 0, which is the background of Fashion-MNIST.
    """
    still = probed.error_percent(probed.data.validation)
    found = {}
    for pixels in SHIFTS:
        errors = [probed.error_percent(moved) for moved in _moved(probed.data.validation, pixels)]
        found[f"{pixels} pixels"] = sum(errors) / len(errors) - still
    return found


def _moved(images: Images, pixels: int) -> Iterator[Images]:
    whole, labels = images.take(slice(None))
    for axis, direction in ((2, 1), (2, -1), (3, 1), (3, -1)):
        moved = torch.roll(whole, direction * pixels, dims=axis)
        edge = slice(0, pixels) if direction > 0 else slice(-pixels, None)
        moved[(slice(None), slice(None), edge) if axis == 2 else (..., edge)] = 0
        yield Images(moved, labels)


def layer_gradients(probed: Probed) -> Figures:
    """Gradient norms of each convolution's weights, in train mode, on one batch.

    Both for initial weights ("at the start") and for final ones ("trained"), the figures are the norm of the first
    layer, and the spread of all layers in decades: log10 of the largest norm over the smallest. For the spread, each
    norm is divided by the norm of the layer's weights, so that layers of different shape are comparable. Vanishing and
    exploding gradients both have a large spread.
    """
    found = {}
    for when, model in (("at the start", probed.initial()), ("trained", probed.model)):
        norms, relative = _gradient_norms(model, probed)
        found[f"first layer, {when}"] = norms[0]
        smallest = max(min(relative), TINY)
        found[f"decades between layers, {when}"] = math.log10(max(max(relative), smallest) / smallest)
    return found


def _gradient_norms(model: nn.Module, probed: Probed) -> tuple[list[float], list[float]]:
    """One norm per convolution, in the order of the network, and the same divided by the norm of its weights.

    The state of the model is restored.
    """
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    pixels, labels = probed.data.train.subset(GRADIENT_BATCH).take(slice(None))
    with autocast(pixels.device.type, probed.recipe.precision):
        output = model(probed.preparation.for_evaluation(pixels))
    training_loss(output, labels).backward()  # type: ignore[no-untyped-call]
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    norms = [float(c.weight.grad.norm()) for c in convolutions if c.weight.grad is not None]
    relative = [norm / float(c.weight.detach().norm()) for norm, c in zip(norms, convolutions, strict=True)]
    model.zero_grad()
    model.load_state_dict(state)
    model.eval()
    return norms, relative


def classifier_sources(probed: Probed) -> Figures:
    """For a DenseNet: how much the classifier uses features of earlier blocks, and of each layer of the last block.

    For each source: the mean absolute weight of its channels over that of all channels, and the increase of the
    validation error, in points, if the classifier's weights on them are set to 0. Features of earlier blocks have
    passed a transition.
    """
    from search_spaces.densenet import DenseBlock

    block = [module for module in probed.model.modules() if isinstance(module, DenseBlock)][-1]
    classifier = [module for module in probed.model.modules() if isinstance(module, nn.Linear)][-1]
    grown = [_last_convolution(layer).out_channels for layer in block.layers]
    widths = {"earlier blocks": classifier.in_features - sum(grown)}
    widths |= {f"layer {index}": width for index, width in enumerate(grown, start=1)}
    weight = classifier.weight.detach().clone()
    whole, start, found = probed.error_percent(probed.data.validation), 0, {}
    for source, width in widths.items():
        columns = slice(start, start + width)
        found[f"weight, {source}"] = float(weight[:, columns].abs().mean() / weight.abs().mean())
        with torch.no_grad():
            classifier.weight[:, columns] = 0
            found[f"rise without, {source}"] = probed.error_percent(probed.data.validation) - whole
            classifier.weight.copy_(weight)
        start += width
    return found


def _last_convolution(layer: nn.Module) -> nn.Conv2d:
    return [module for module in layer.modules() if isinstance(module, nn.Conv2d)][-1]


PROBES: dict[str, Callable[[Probed], Figures]] = {
    "training error": training_error,
    "shift": shift,
    "layer gradients": layer_gradients,
    "classifier sources": classifier_sources,
}
