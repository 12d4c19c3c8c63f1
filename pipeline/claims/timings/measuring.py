"""Takes timings: builds all arms in one process and measures them in turn, round by round."""

import datetime
import time
from collections.abc import Callable

import torch

from pipeline.claims.timings.arms import build
from pipeline.claims.timings.costs import made_of
from pipeline.claims.timings.peak_memory import peak_of_step
from pipeline.claims.timings.plans import PlannedTiming, TimedArmRecord, TimingRecord
from pipeline.machine import DeviceKind, hardware, versions

SHORTEST_SECONDS = 0.05
"""Shortest measurement: a step or an inference is repeated until this time has passed."""


def take_timing(plan: PlannedTiming, device: DeviceKind, on_round: Callable[[str], None]) -> TimingRecord:
    """Measure all arms of a timing, on one thread of a CPU or on a GPU; `on_round` is called after each round."""
    torch.set_num_threads(1)
    timing, rounds = plan.timing, plan.rounds
    arms = {title: build(arm, timing, device) for title, arm in timing.arms.items()}
    for arm in arms.values():  # work that is done once, such as the choice of kernels, is not measured
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
                peaks[title].append(peak_of_step(timing.arms[title], timing, device))
        on_round(f"{plan.name}: round {done + 1} of {rounds}")
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
                made_of=made_of(timing.arms[title]),
            )
            for title, arm in arms.items()
        },
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        hardware=hardware(device),
        versions=versions(),
    )


def _seconds(run: Callable[[], None], device: DeviceKind) -> float:
    """Seconds of one run: the mean over the runs that fill SHORTEST_SECONDS."""
    start, runs = time.perf_counter(), 0
    while True:
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        runs += 1
        passed = time.perf_counter() - start
        if passed >= SHORTEST_SECONDS:
            return passed / runs
