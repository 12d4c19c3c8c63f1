"""Counts of a built network: MACs by fvcore, by PyTorch's own counter, and layer by layer.

MACs are multiply-accumulates of convolutions and dense layers for one image, without biases. fvcore's total also
includes batch norms and adaptive pools and lacks max-pools, additions and sigmoids, so its total and the operators it
skipped are reported with ours. torch.utils.flop_counter counts floating-point operations, exactly twice our MACs.
"""

import functools
import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.cost.records import LayerCost

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
SHOWN = (nn.Conv2d, nn.Linear, *NORMS, *POOLS)


@dataclass(frozen=True)
class FvcoreCount:
    """fvcore's view of one image: conv + linear MACs, its own total, and calls of operators it did not count."""

    macs: int
    total: int
    uncounted_operators: dict[str, int]


def count_with_fvcore(model: nn.Module, channels: int, resolution: int) -> FvcoreCount:
    """Trace the model (on its CPU weights, in eval mode) for one image of (channels, resolution, resolution)."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):  # fvcore is built on TorchScript
            warnings.simplefilter("ignore", category)
        from fvcore.nn import FlopCountAnalysis

        logging.getLogger("fvcore").setLevel(logging.ERROR)
        analysis = FlopCountAnalysis(model.eval(), torch.zeros(1, channels, resolution, resolution))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        by_operator = analysis.by_operator()
        return FvcoreCount(
            macs=int(by_operator["conv"] + by_operator["linear"]),
            total=int(analysis.total()),
            uncounted_operators={name.removeprefix("aten::"): n for name, n in analysis.unsupported_ops().items()},
        )


def count_with_torch(model: nn.Module, channels: int, resolution: int) -> int:
    """MACs of one image, counted by torch.utils.flop_counter. Works on the meta device, which computes nothing."""
    device = next(model.parameters()).device
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.eval()(torch.zeros(1, channels, resolution, resolution, device=device))
    flops = counter.get_total_flops()
    assert flops % 2 == 0
    return flops // 2


def layer_table(model: nn.Module, channels: int, resolution: int) -> tuple[LayerCost, ...]:
    """One row per convolution, dense layer, norm or pool, in the order in which they run, for one image."""
    rows: list[LayerCost] = []

    def note(name: str, module: nn.Module, _: object, output: Tensor) -> None:
        shape = tuple(output.shape[1:])  # (C, H, W) or (features,)
        rows.append(
            LayerCost(
                name=name,
                kind=type(module).__name__,
                output=shape,
                params=sum(parameter.numel() for parameter in module.parameters()),
                macs=_macs(module, math.prod(shape)),
                activations=math.prod(shape) if isinstance(module, nn.Conv2d) else 0,
            )
        )

    hooks = [
        module.register_forward_hook(_named(note, name))
        for name, module in model.named_modules()
        if isinstance(module, SHOWN)
    ]
    device = next(model.parameters()).device
    with torch.no_grad():
        model.eval()(torch.zeros(1, channels, resolution, resolution, device=device))
    for hook in hooks:
        hook.remove()
    return tuple(rows)


def _named(note: Callable[..., None], name: str) -> Callable[..., None]:
    return functools.partial(note, name)


def _macs(module: nn.Module, output_elements: int) -> int:
    if isinstance(module, nn.Conv2d):
        return output_elements * module.in_channels // module.groups * math.prod(module.kernel_size)
    if isinstance(module, nn.Linear):
        return output_elements * module.in_features
    return 0
