"""Costs of a timing's arms from their Configs, and a check that a record is of these arms."""

from collections.abc import Sequence
from typing import Any

import search_spaces
from pipeline.claims.timings.plans import TimedArm, Timing, TimingRecord
from pipeline.errors import UsageError
from pipeline.running.plans import as_reference, native_resolution, resolve_network
from pipeline.schema import to_json


def check_timing(name: str, timing: Timing, record: TimingRecord) -> None:
    """Raise UsageError if a record does not match this timing: other arms or batches, or fewer rounds than planned."""
    if record.batch_size != timing.batch_size:
        raise UsageError(f"timing {name} was taken with batches of {record.batch_size}, not {timing.batch_size}")
    planned = timing.rounds.get(record.profile, 0)
    for arm, wanted in timing.arms.items():
        found = record.arms.get(arm)
        if found is None:
            raise UsageError(f"the record of timing {name} lacks {arm}: convstudy experiment {name}")
        measured: list[Sequence[float]] = [found.training_step_seconds, found.inference_seconds]
        if timing.memory:
            measured.append(found.peak_memory_bytes)
        if min(map(len, measured)) < planned:
            raise UsageError(f"timing {name} was taken with fewer rounds than the {planned} of {record.profile}")
        cost = cost_of(wanted, timing)
        if (found.resolution, found.params, found.macs) != cost:
            raise UsageError(
                f"{arm} of timing {name} was measured on another network, with {found.params:,} parameters"
            )
        if found.made_of != made_of(wanted):
            raise UsageError(f"{arm} of timing {name} was recorded as {found.made_of}, not {made_of(wanted)}")


def made_of(arm: TimedArm) -> dict[str, Any]:
    """What distinguishes an arm from others of the same cost: family, Config and variant, or its convolution."""
    if arm.convolution is not None:
        return {"convolution": to_json(arm.convolution)}
    assert arm.network is not None
    family, config, _ = resolve_network(*as_reference(arm.network, "timed"))
    return {"family": family.name, "config": to_json(config), "variant": arm.variant}


def cost_of(arm: TimedArm, timing: Timing) -> tuple[int, int, int]:
    """Resolution, parameters and MACs of an arm."""
    if arm.convolution is not None:
        assert arm.resolution is not None
        planned = arm.convolution
        weights = planned.channels * (planned.channels // planned.groups) * planned.kernel**2
        return arm.resolution, weights, weights * arm.resolution**2
    assert arm.network is not None
    family, network, known = resolve_network(*as_reference(arm.network, "timed"))
    resolution = arm.resolution or native_resolution(known, 28)
    price = search_spaces.price(family, network, resolution, timing.channels, timing.classes)
    return resolution, price.params, price.macs
