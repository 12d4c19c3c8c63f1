"""Timings taken: arms built in one process, measured in turn, round by round."""

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import search_spaces
from pipeline.claims.timed_costs import cost_of
from pipeline.claims.timings import Convolution, PlannedTiming, TimedArm, TimedArmRecord, Timing, TimingRecord
from pipeline.claims.variants import VARIANTS
from pipeline.machine import DeviceKind, hardware, versions
from pipeline.search.plans import resolve_network
from pipeline.training.loss import training_loss

SHORTEST_SECONDS = 0.05
"""A measurement repeats what it measures until it has taken so long."""


def take_timing(
    plan: PlannedTiming,
    device: DeviceKind,
    told: Callable[[str], None],
    peak: Callable[[TimedArm, Timing, DeviceKind], int],
) -> TimingRecord:
    """Measure all arms of a timing, on one thread of a CPU or on a GPU; `told` is called once a round.

    `peak` measures the peak of memory of an arm, where the timing asks for it.
    """
    torch.set_num_threads(1)
    timing, rounds = plan.timing, plan.rounds
    arms = {title: build(arm, timing, device) for title, arm in timing.arms.items()}
    for arm in arms.values():  # what is done once, such as the choice of kernels, is not measured
        arm.step()
        arm.infer()
    steps: dict[str, list[float]] = {title: [] for title in arms}
    inferences: dict[str, list[float]] = {title: [] for title in arms}
    peaks: dict[str, list[int]] = {title: [] for title in arms}
    for done in range(rounds):
        order = list(arms)[done % len(arms) :] + list(arms)[: done % len(arms)]  # each arm comes first in turn
        for title in order:
            steps[title].append(_seconds(arms[title].step, device))
            inferences[title].append(_seconds(arms[title].infer, device))
            if timing.memory:
                peaks[title].append(peak(timing.arms[title], timing, device))
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
                training_step_seconds=tuple(steps[title]),
                inference_seconds=tuple(inferences[title]),
                peak_memory_bytes=tuple(peaks[title]),
            )
            for title, arm in arms.items()
        },
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        hardware=hardware(device),
        versions=versions(),
    )


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
    reference, config = (arm.network, None) if isinstance(arm.network, str) else ("timed", arm.network)
    family, network, _ = resolve_network(reference, config)
    cost = cost_of(arm, timing)
    model = search_spaces.instantiate(family, network, cost[0], timing.channels, timing.classes)
    return _measured(VARIANTS[arm.variant](model), timing.channels, timing.classes, cost, timing, device)


def _build_convolution(
    planned: Convolution, cost: tuple[int, int, int], timing: Timing, device: DeviceKind
) -> Measurable:
    """With the average of each channel as output, so that there is something to train."""
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
