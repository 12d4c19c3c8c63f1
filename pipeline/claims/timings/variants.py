"""Other implementations of the same computation: for timings, and for the calculations that check them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.claims.timings.plans import Variant
from search_spaces.densenet import DenseBlock


class BatchNormFromScratch(nn.Module):
    """Batch norm from elementary operations, as in *Dive into Deep Learning* 8.5.2: (N, C, …) -> the same.

    As there, the batch's biased variance updates the running variance. The framework uses the unbiased one.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.momentum is not None
        self.eps, self.momentum = norm.eps, norm.momentum
        self.weight, self.bias = (
            nn.Parameter(torch.ones(norm.num_features)),
            nn.Parameter(torch.zeros(norm.num_features)),
        )
        self.register_buffer("running_mean", torch.zeros(norm.num_features))
        self.register_buffer("running_var", torch.ones(norm.num_features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise with the batch's statistics in train mode and update the running ones; with these in eval mode."""
        running_mean, running_var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        shape = (1, -1, *(1,) * (x.dim() - 2))
        if self.training:
            axes = [axis for axis in range(x.dim()) if axis != 1]
            mean = x.mean(axes)
            variance = ((x - mean.view(shape)) ** 2).mean(axes)
            with torch.no_grad():
                running_mean.lerp_(mean, self.momentum)
                running_var.lerp_(variance, self.momentum)
        else:
            mean, variance = running_mean, running_var
        normalised = (x - mean.view(shape)) / torch.sqrt(variance.view(shape) + self.eps)
        return normalised * self.weight.view(shape) + self.bias.view(shape)


def _with_batch_norm_from_scratch(model: nn.Module) -> nn.Module:
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(module, name, BatchNormFromScratch(child))
    return model


class _Checkpointed(nn.Module):
    """A layer whose inner results are recomputed in the backward pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = checkpoint(self.layer, x, use_reentrant=False) if self.training else self.layer(x)
        return output


def with_checkpoints(model: nn.Module) -> nn.Module:
    """The network, with the inner results of its dense layers recomputed in the backward pass."""
    for module in model.modules():
        if isinstance(module, DenseBlock):
            module.layers = nn.ModuleList(_Checkpointed(layer) for layer in module.layers)
    return model


VARIANTS: dict[Variant, Callable[[nn.Module], nn.Module]] = {
    "as it is": lambda model: model,
    "batch norm from scratch": _with_batch_norm_from_scratch,
    "checkpointed": with_checkpoints,
}
