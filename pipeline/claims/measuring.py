"""Timings taken: arms built in one process, measured in turn, round by round."""

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import search_spaces
from pipeline.claims.timings import Convolution, PlannedTiming, TimedArm, TimedArmRecord, Timing, TimingRecord, Variant
from pipeline.cost.memory import saved_bytes_per_sample
from pipeline.machine import DeviceKind, hardware, versions
from pipeline.schema import parse
from pipeline.search.plans import native_resolution, resolve_network
from pipeline.training.loss import training_loss
from search_spaces.densenet import DenseBlock

SHORTEST_SECONDS = 0.05
"""A measurement repeats what it measures until it has taken so long."""


def take_timing(plan: PlannedTiming, device: DeviceKind, told: Callable[[str], None]) -> TimingRecord:
    """Measure all arms of a timing, on one thread of a CPU or on a GPU; `told` is called once a round."""
    torch.set_num_threads(1)
    timing, rounds = plan.timing, plan.rounds
    arms = {title: _build(arm, timing, device) for title, arm in timing.arms.items()}
    for arm in arms.values():  # what is done once, such as the choice of kernels, is not measured
        arm.step()
        arm.infer()
    steps: dict[str, list[float]] = {title: [] for title in arms}
    inferences: dict[str, list[float]] = {title: [] for title in arms}
    for done in range(rounds):
        order = list(arms)[done % len(arms) :] + list(arms)[: done % len(arms)]  # each arm comes first in turn
        for title in order:
            steps[title].append(_seconds(arms[title].step, device))
            inferences[title].append(_seconds(arms[title].infer, device))
        told(f"{plan.name}: round {done + 1} of {rounds}")
    return TimingRecord(
        schema="timing/1",
        timing=plan.name,
        profile=plan.profile,
        device=device,
        threads=torch.get_num_threads(),
        batch_size=timing.batch_size,
        arms={
            title: TimedArmRecord(
                resolution=arm.resolution,
                params=arm.params,
                macs=arm.macs,
                saved_bytes_per_image=arm.saved_bytes_per_image,
                training_step_seconds=tuple(steps[title]),
                inference_seconds=tuple(inferences[title]),
            )
            for title, arm in arms.items()
        },
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        hardware=hardware(device),
        versions=versions(),
    )


@dataclass(frozen=True)
class _Measured:
    """An arm ready to be measured: one training step and one inference of a batch, in float32."""

    resolution: int
    params: int
    macs: int
    saved_bytes_per_image: int
    step: Callable[[], None]
    infer: Callable[[], None]


def _build(arm: TimedArm, timing: Timing, device: DeviceKind) -> _Measured:
    if arm.convolution is not None:
        assert arm.resolution is not None
        return _build_convolution(arm.convolution, arm.resolution, timing, device)
    reference, config = (arm.network, None) if isinstance(arm.network, str) else ("timed", arm.network)
    family, resolved, known = resolve_network(reference, config)
    resolution = arm.resolution or native_resolution(known, 28)
    network = parse(family.config, resolved, "config of a timing") if isinstance(resolved, dict) else resolved

    def build() -> nn.Module:
        model = search_spaces.instantiate(family, network, resolution, timing.channels, timing.classes)
        return _VARIANTS[arm.variant](model)

    price = search_spaces.price(family, network, resolution, timing.channels, timing.classes)
    return _measured(build, timing.channels, timing.classes, resolution, price.params, price.macs, timing, device)


def _build_convolution(planned: Convolution, side: int, timing: Timing, device: DeviceKind) -> _Measured:
    """With the average of each channel as output, so that there is something to train."""

    def build() -> nn.Module:
        padding = planned.kernel // 2
        convolution = nn.Conv2d(
            planned.channels, planned.channels, planned.kernel, padding=padding, groups=planned.groups, bias=False
        )
        return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    weights = planned.kernel**2 * planned.channels**2 // planned.groups
    return _measured(build, planned.channels, planned.channels, side, weights, weights * side**2, timing, device)


def _measured(
    build: Callable[[], nn.Module],
    channels: int,
    classes: int,
    resolution: int,
    params: int,
    macs: int,
    timing: Timing,
    device: DeviceKind,
) -> _Measured:
    model = build().to(device).to(memory_format=torch.channels_last)
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

    saved = saved_bytes_per_sample(build(), channels, resolution)
    return _Measured(resolution, params, macs, saved, step, infer)


def _seconds(run: Callable[[], None], device: DeviceKind) -> float:
    """Seconds of one run: the mean of as many as fill SHORTEST_SECONDS."""
    start, runs = time.perf_counter(), 0
    while True:
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        runs += 1
        passed = time.perf_counter() - start
        if passed >= SHORTEST_SECONDS:
            return passed / runs


class BatchNormFromScratch(nn.Module):
    """Batch norm of elementary operations, as in *Dive into Deep Learning* 8.5.2: (N, C, …) -> the same.

    As there, the running variance is fed with the batch's biased variance, where the framework takes the unbiased one.
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
        """Normalise by the batch in train mode, feeding the running statistics, and by them in eval mode."""
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
    """A layer whose inner results are computed again in the backward pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = checkpoint(self.layer, x, use_reentrant=False) if self.training else self.layer(x)
        return output


def with_checkpoints(model: nn.Module) -> nn.Module:
    """The network with the inner results of its dense layers computed again in the backward pass."""
    for module in model.modules():
        if isinstance(module, DenseBlock):
            module.layers = nn.ModuleList(_Checkpointed(layer) for layer in module.layers)
    return model


_VARIANTS: dict[Variant, Callable[[nn.Module], nn.Module]] = {
    "as it is": lambda model: model,
    "batch norm from scratch": _with_batch_norm_from_scratch,
    "checkpointed": with_checkpoints,
}
