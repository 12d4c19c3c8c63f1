"""Arms of timings, built: one training step and one inference of a batch, ready to be measured."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import search_spaces
from pipeline.claims.timings.costs import cost_of
from pipeline.claims.timings.plans import Convolution, TimedArm, Timing
from pipeline.claims.timings.variants import VARIANTS
from pipeline.machine import DeviceKind
from pipeline.running.plans import as_reference, resolve_network
from pipeline.training.loss import training_loss


@dataclass(frozen=True)
class Measurable:
    """An arm ready to be measured: one training step and one inference of a batch, in float32."""

    resolution: int
    params: int
    macs: int
    step: Callable[[], None]
    infer: Callable[[], None]


def build(arm: TimedArm, timing: Timing, device: DeviceKind) -> Measurable:
    """An arm, ready to be measured."""
    if arm.convolution is not None:
        return _build_convolution(arm.convolution, cost_of(arm, timing), timing, device)
    assert arm.network is not None
    family, network, _ = resolve_network(*as_reference(arm.network, "timed"))
    cost = cost_of(arm, timing)
    model = search_spaces.instantiate(family, network, cost[0], timing.channels, timing.classes)
    return _measured(VARIANTS[arm.variant](model), timing.channels, timing.classes, cost, timing, device)


def _build_convolution(
    planned: Convolution, cost: tuple[int, int, int], timing: Timing, device: DeviceKind
) -> Measurable:
    """The output is the average of each channel, so that there is a loss to train on."""
    width, kernel = planned.channels, planned.kernel
    convolution = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=planned.groups, bias=False)
    model = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return _measured(model, width, width, cost, timing, device)


def _measured(
    model: nn.Module,
    channels: int,
    classes: int,
    cost: tuple[int, int, int],
    timing: Timing,
    device: DeviceKind,
) -> Measurable:
    resolution, params, macs = cost
    model = model.to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, fused=True)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(timing.batch_size, channels, resolution, resolution, generator=generator).to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(classes, (timing.batch_size,), generator=generator).to(device)

    def step() -> None:
        model.train()
        loss = training_loss(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def infer() -> None:
        model.eval()
        with torch.inference_mode():
            model(images)

    return Measurable(resolution, params, macs, step, infer)
