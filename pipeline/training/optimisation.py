"""Optimizers and learning-rate schedules of a recipe."""

import math

import torch
from torch import nn

from pipeline.training.recipe import Recipe

ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START = 25.0
ONE_CYCLE_END = 1e4


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD or AdamW with fused kernels; weight decay only on matrices and kernels, not on norms and biases."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    rest = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True
    )


def learning_rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate of step `step` (from 0) of `steps`.

    "one-cycle" follows torch's OneCycleLR with its defaults (Smith & Topin, 2017), but with constant momentum.
    """
    peak = recipe.learning_rate
    if recipe.schedule == "one-cycle":
        top = max(1.0, ONE_CYCLE_RISE * steps) - 1
        start = peak / ONE_CYCLE_START
        if step <= top:
            return _cosine(start, peak, step / top if top else 1.0)
        return _cosine(peak, start / ONE_CYCLE_END, (step - top) / max(1.0, steps - 1 - top))
    warmup = math.ceil(recipe.warmup_fraction * steps)
    if step < warmup:
        return peak * (step + 1) / warmup
    if recipe.schedule == "constant":
        return peak
    return _cosine(peak, 0.0, (step - warmup) / max(1, steps - warmup))


def _cosine(start: float, end: float, share: float) -> float:
    """Half a cosine from `start` (share 0) to `end` (share 1)."""
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
