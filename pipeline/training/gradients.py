"""Gradients of a batch: of all its images at once, or of parts of it in turn, its micro-batches, where memory is short.

The images of an optimizer's step, their augmentation and their order are the same either way. But dropout draws other
units, and batch normalisation normalises by the statistics of each micro-batch, so a training that was split is told
from one that was not (`History.micro_batches`).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.training.evaluation import autocast
from pipeline.training.loss import training_loss
from pipeline.training.recipe import Recipe


def accumulate_gradients(
    model: nn.Module,
    batch: Tensor,
    labels: Tensor,
    recipe: Recipe,
    device: Literal["cpu", "cuda"],
    micro_batches: int = 1,
) -> Tensor:
    """Leave the gradients of the mean loss of `batch` (N, C, side, side) in the parameters; return that loss, in nats.

    `micro_batches` are as equal as can be.
    """
    model.zero_grad()
    total = torch.zeros((), device=batch.device)
    for images, targets in zip(batch.tensor_split(micro_batches), labels.tensor_split(micro_batches), strict=True):
        with autocast(device, recipe.precision):
            output = model(images)  # (micro-batch, classes)
        loss = training_loss(output, targets, recipe.label_smoothing) * (len(targets) / len(labels))
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total


def smallest_micro_batch(model: nn.Module) -> int:
    """Images that a pass needs: two where batch norm has to normalise, since one value a channel has no variance."""
    return 2 if any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in model.modules()) else 1
