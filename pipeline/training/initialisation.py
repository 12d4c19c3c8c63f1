"""Initial weights, set after a network is built, in the same way for all families. The recipe chooses the scheme.

he-normal (the default for all; He et al., 2015): normal with variance 2 / fan_in, so that ReLU networks without batch
norm (VGG, GoogLeNet) start with signals of constant size at any depth. xavier-uniform (Glorot & Bengio, 2010): the
source's D2L protocol uses it for convolutions and dense layers. framework: PyTorch's own (uniform, variance
1 / (3 fan_in)), with its random biases. small-normal and large-normal: a fifth and five times the standard deviation of
he-normal, to test whether a network trains from a bad start.
"""

import torch
from torch import nn

from pipeline.training.recipe import Initialisation
from pipeline.training.seeding import derive_seed

SCALES: dict[Initialisation, float] = {"he-normal": 1.0, "small-normal": 0.2, "large-normal": 5.0}
"""Factors on the standard deviation of He et al."""


def initialise(model: nn.Module, scheme: Initialisation, seed: int) -> None:
    """Set all parameters and buffers of `model` (not lazy) to initial values determined by `scheme` and `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initialisation"))
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d | nn.Linear) and scheme != "framework":
                if scheme == "xavier-uniform":
                    nn.init.xavier_uniform_(module.weight)
                else:
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                    module.weight.data *= SCALES[scheme]
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
