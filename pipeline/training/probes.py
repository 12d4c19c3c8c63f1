"""Further measurements of a trained network, on training and validation images; none of them sees a test image.

Each is a function of what was trained to figures by name. Asked for by name, they are taken where the weights are, and
kept with the run.
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
"""In pixels of the images as they are stored."""


@dataclass(frozen=True)
class Probed:
    """A trained network in eval mode, the same network as it was before (`initial` builds it), and its data.

    `alive` is called on the way, after each batch that is scored.
    """

    model: nn.Module
    initial: Callable[[], nn.Module]
    recipe: Recipe
    data: ImageData
    alive: Callable[[], object] = lambda: None

    @property
    def preparation(self) -> Preparation:
        """How its images are prepared."""
        return self.data.preparation(self.recipe)

    def error_percent(self, images: Images) -> float:
        """Share of wrong answers on these images."""
        return evaluate(self.model, images, self.preparation, self.recipe.precision, self.alive).error_percent


def training_error(probed: Probed) -> Figures:
    """Error on a sample of training images and on the validation images, in percent, and their difference."""
    training = probed.error_percent(probed.data.train.subset(SAMPLE))
    validation = probed.error_percent(probed.data.validation)
    return {"training": training, "validation": validation, "gap": validation - training}


def shift(probed: Probed) -> Figures:
    """Error on validation images moved by some pixels, mean over four directions, less that on unmoved ones.

    What moves in has the value 0, the background of the images this is meant for.
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
    """Norms of the loss's gradient by the weights of each convolution, in train mode, on one batch.

    As the network begins ("at the start") and as it ends ("trained"): the first layer's norm, and how far the layers'
    are apart, in decades: log10 of the largest over the smallest. For the latter each norm is taken over that of the
    layer's weights, so that layers of different shape compare; gradients that vanish or explode on their way to the
    first layers both lie far apart.
    """
    found = {}
    for when, model in (("at the start", probed.initial()), ("trained", probed.model)):
        norms, relative = _gradient_norms(model, probed)
        found[f"first layer, {when}"] = norms[0]
        smallest = max(min(relative), TINY)
        found[f"decades between layers, {when}"] = math.log10(max(max(relative), smallest) / smallest)
    return found


def _gradient_norms(model: nn.Module, probed: Probed) -> tuple[list[float], list[float]]:
    """A norm a convolution, in the order of the network, and the same over its weights' norm.

    The model's own state is left as it was.
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
    """Of a DenseNet: how much its classifier draws on features of the earlier blocks and of each layer of the last one.

    Mean absolute weight of a source's channels over that of all, and by how many points the validation error rises
    when the classifier's weights on them are set to 0. What comes from earlier blocks has passed a transition.
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
