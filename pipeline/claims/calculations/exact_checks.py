"""Exact checks on tensors: equalities that hold to the last bit, or visibly do not.

Where an equality is claimed, inputs and weights are small integers in float64. Sums and products are then exact in any
order, so the expected difference is 0, not one below some tolerance.
"""

import torch
from torch import Tensor, nn

from pipeline.claims.calculations.registry import Figures, calculation
from pipeline.claims.timings.variants import BatchNormFromScratch
from search_spaces._residual import Residual, ResidualBlock, Stage


def _integers(*shape: int, seed: int = 0, low: int = -4, high: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, shape, generator=generator).double()


def _footprint(*kernels: int) -> int:
    """Side of the square of pixels that one output of stacked convolutions depends on, from gradients."""
    side = 21
    x = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    y: Tensor = x
    for kernel in kernels:
        y = nn.functional.conv2d(y, torch.ones(1, 1, kernel, kernel, dtype=torch.float64), padding=kernel // 2)
    y[0, 0, side // 2, side // 2].backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    rows, columns = int(seen.any(1).sum()), int(seen.any(0).sum())
    assert rows == columns and int(seen.sum()) == rows * columns
    return rows


@calculation
def receptive_fields() -> Figures:
    """Side of the square of pixels behind one output, in pixels."""
    return {"two 3x3": _footprint(3, 3), "three 3x3": _footprint(3, 3, 3), "one 5x5": _footprint(5)}


@calculation
def pointwise_convolution() -> Figures:
    """Largest difference between a 1x1 convolution and a dense layer with the same weights, applied to every pixel."""
    convolution = nn.Conv2d(8, 5, 1).double()
    dense = nn.Linear(8, 5).double()
    with torch.no_grad():
        dense.weight.copy_(_integers(5, 8, seed=1))
        dense.bias.copy_(_integers(5, seed=2))
        convolution.weight.copy_(dense.weight[:, :, None, None])
        convolution.bias.copy_(dense.bias)  # type: ignore[union-attr]
        x = _integers(3, 8, 6, 6)
        difference = convolution(x) - dense(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return {"largest difference": float(difference.abs().max())}


def _normalised(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Batch norm in train mode, from its formula, over all axes except the channels; scale 1, shift 0."""
    axes = [axis for axis in range(x.dim()) if axis != 1]
    mean = x.mean(axes, keepdim=True)
    variance = ((x - mean) ** 2).mean(axes, keepdim=True)
    return (x - mean) / torch.sqrt(variance + eps)


@calculation
def batch_of_one() -> Figures:
    """Largest batch norm output for a batch of one, in train mode: of a dense layer, a 1x1 map and a 4x4 map."""
    return {
        "dense layer": float(_normalised(_integers(1, 8)).abs().max()),
        "1x1 map": float(_normalised(_integers(1, 8, 1, 1)).abs().max()),
        "4x4 map": float(_normalised(_integers(1, 8, 4, 4)).abs().max()),
    }


@calculation
def batch_mates() -> Figures:
    """Largest change of one image's batch-normalised output when the other images of its batch are exchanged."""
    norm = nn.BatchNorm2d(4).double()
    image, one, other = _integers(1, 4, 5, 5), _integers(7, 4, 5, 5, seed=1), _integers(7, 4, 5, 5, seed=2)

    def change() -> float:
        with torch.no_grad():
            return float((norm(torch.cat([image, one]))[0] - norm(torch.cat([image, other]))[0]).abs().max())

    training = change()
    norm.eval()
    return {"in training": training, "in prediction": change()}


@calculation
def batch_norm_from_scratch() -> Figures:
    """Largest differences between the framework's batch norm and the source's, after one batch in train mode.

    Compared are outputs and running statistics, and the framework's running variance with its formula: the unbiased
    variance (divisor n - 1). The source's version uses the biased one (divisor n).
    """
    norm = nn.BatchNorm2d(6, momentum=0.1).double()
    scratch = BatchNormFromScratch(norm).double()
    x = _integers(16, 6, 5, 5)
    with torch.no_grad():
        outputs = norm(x) - scratch(x)
    assert norm.running_mean is not None and norm.running_var is not None
    unbiased = 0.9 + 0.1 * x.transpose(0, 1).flatten(1).var(1, correction=1)
    return {
        "outputs": float(outputs.abs().max()),
        "running means": float((norm.running_mean - scratch.get_buffer("running_mean")).abs().max()),
        "running variances": float((norm.running_var - scratch.get_buffer("running_var")).abs().max()),
        "running variances, unbiased": float((norm.running_var - unbiased).abs().max()),
    }


@calculation
def residual_identity() -> Figures:
    """Largest difference between a residual block whose last scale is 0 and the identity.

    On non-negative inputs, as after a ReLU, and on any inputs.
    """
    stage = Stage(depth=1, width=6, stride=1)
    block = ResidualBlock(6, stage, 1, Residual("small", 6, (stage,))).double().train()
    last = [module for module in block.body if isinstance(module, nn.BatchNorm2d)][-1]
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        positive, signed = _integers(4, 6, 5, 5, low=0), _integers(4, 6, 5, 5)
        return {
            "on non-negative inputs": float((block(positive) - positive).abs().max()),
            "on any inputs": float((block(signed) - signed).abs().max()),
        }
