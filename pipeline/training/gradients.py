"""Gradients of a batch, computed at once or accumulated over micro-batches if memory is short.

Both ways use the same images in the same order with the same augmentation. But dropout draws other units, and batch
norm uses the statistics of each micro-batch. So the record says whether batches were split (`History.micro_batches`).
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
    """Compute the gradients of the mean loss of `batch` (N, C, side, side). Returns that loss, in nats.

    The batch is split into `micro_batches` parts of nearly equal size.
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
    """Minimum images per pass: two with batch norm, which needs a variance, else one."""
    return 2 if any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in model.modules()) else 1
