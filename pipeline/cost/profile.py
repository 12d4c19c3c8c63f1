"""The complete cost of one network, as printed by `convstudy profile`."""

import dataclasses
from typing import Any

import psutil
import torch

import search_spaces
from pipeline.cost.counts import count_with_fvcore, layer_table
from pipeline.cost.latency import latency_seconds
from pipeline.cost.memory import saved_bytes_per_sample, training_memory
from pipeline.cost.records import CostProfile
from pipeline.errors import UsageError
from pipeline.machine import DeviceKind, hardware, versions
from pipeline.schema import to_json
from search_spaces import Family

BATCHES = (1, 128)
TRAINING_BATCH = 128
BYTES_EACH = 4
"""Bytes of a weight, or of an element of a map, in float32."""


def profile_network(
    name: str,
    family: Family,
    config: Any,
    resolution: int,
    channels: int = 1,
    classes: int = 10,
    device: DeviceKind = "cpu",
    latency: bool = True,
    run_seconds: float = 0.2,
    threads: int = 1,
) -> CostProfile:
    """Count the costs of one network for (channels, resolution, resolution) images, and measure them with `latency`.

    `run_seconds` is the time to spend on each latency, `threads` the number of CPU threads for it. Raises UsageError if
    the resolution is too small for the network (the message names the smallest), or if the weights and maps of one
    image do not fit in free memory.
    """
    price = search_spaces.price(family, config, resolution, channels, classes)
    least, free = BYTES_EACH * (price.params + price.activations), psutil.virtual_memory().available
    if least > free:
        raise UsageError(f"{name} needs at least {least / 2**30:.1f} GiB to run, but {free / 2**30:.1f} GiB are free")
    shapes = search_spaces.instantiate(family, config, resolution, channels, classes, device="meta")
    model = search_spaces.instantiate(family, config, resolution, channels, classes)
    fvcore = count_with_fvcore(model, channels, resolution)
    assert fvcore.macs == price.macs, f"{name}: fvcore counts {fvcore.macs} MACs, the closed form {price.macs}"
    counted = CostProfile(
        schema="cost/1",
        name=name,
        family=family.name,
        config=to_json(config),
        resolution=resolution,
        channels=channels,
        classes=classes,
        params=price.params,
        params_dense=price.params_dense,
        macs=fvcore.macs,
        fvcore_total=fvcore.total,
        uncounted_operators=fvcore.uncounted_operators,
        activations=price.activations,
        saved_bytes_per_sample=saved_bytes_per_sample(shapes, channels, resolution),
        layers=layer_table(shapes, channels, resolution),
        hardware=hardware(device),
        versions=versions(),
    )
    if not latency:
        return counted
    seconds = {
        str(batch): latency_seconds(model, channels, resolution, batch, device, run_seconds, threads)
        for batch in BATCHES
    }
    memory: int | None
    try:
        network = model if device == "cuda" else shapes
        memory, kind = training_memory(network, channels, resolution, TRAINING_BATCH, device)
    except torch.OutOfMemoryError:
        memory, kind = None, "more than the card has free"
    if device == "cuda":
        torch.cuda.empty_cache()
    return dataclasses.replace(
        counted,
        latency_seconds=seconds,
        images_per_second=BATCHES[-1] / seconds[str(BATCHES[-1])],
        train_memory_bytes=memory,
        train_memory_kind=kind,
        train_memory_batch=TRAINING_BATCH,
        device=device,
        threads=threads,
    )


def describe(profile: CostProfile) -> str:
    """The profile as text: the totals with their conventions, then the per-layer table."""
    uncounted = ", ".join(f"{n} {name}" for name, n in profile.uncounted_operators.items()) or "none"
    lines = [
        f"{profile.name} ({profile.family}) for {profile.channels} x {profile.resolution} x {profile.resolution} "
        f"images, {profile.classes} classes",
        f"parameters        {profile.params:,} (dense layers: {profile.params_dense:,})",
        f"MACs              {profile.macs:,} (multiply-accumulates of convolutions and dense layers, one image)",
        f"fvcore's total    {profile.fvcore_total:,} (adds norms and adaptive pools; not counted by it: {uncounted})",
        f"activations       {profile.activations:,} (elements of all convolution outputs)",
        f"saved for backward {profile.saved_bytes_per_sample / 2**20:.2f} MiB per image (float32)",
    ]
    if profile.latency_seconds is not None:
        lines += [
            f"latency           {1e3 * seconds:.3f} ms at batch {batch} (float32, {profile.device}, "
            f"{profile.threads} thread)"
            for batch, seconds in profile.latency_seconds.items()
        ]
        lines.append(f"throughput        {profile.images_per_second:,.0f} images/s at batch {BATCHES[-1]}")
    if profile.train_memory_kind is not None:
        taken = "unknown" if profile.train_memory_bytes is None else f"{profile.train_memory_bytes / 2**20:.1f} MiB"
        lines.append(f"training memory   {taken} at batch {profile.train_memory_batch} ({profile.train_memory_kind})")
    lines += ["", f"{'layer':<28} {'kind':<18} {'output':<16} {'params':>12} {'MACs':>15} {'activations':>12}"]
    lines += [
        f"{layer.name:<28} {layer.kind:<18} {'x'.join(map(str, layer.output)):<16} {layer.params:>12,} "
        f"{layer.macs:>15,} {layer.activations:>12,}"
        for layer in profile.layers
    ]
    return "\n".join(lines)
