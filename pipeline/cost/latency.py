"""Seconds per batch in eval mode, float32 and channels_last, measured with torch.utils.benchmark."""

import logging

import torch
from torch import nn

from pipeline.machine import DeviceKind

LONG_SECONDS = 0.5
"""Longer batches run three times, and the mean counts. Shorter ones run for `run_seconds`, and the median counts."""


def latency_seconds(
    model: nn.Module, channels: int, resolution: int, batch: int, device: DeviceKind, run_seconds: float, threads: int
) -> float:
    """Seconds of one forward pass of (batch, channels, resolution, resolution)."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns if there is no CUDA runtime
    from torch.utils.benchmark import Timer

    model = model.to(device).to(memory_format=torch.channels_last).eval()
    images = torch.rand(batch, channels, resolution, resolution, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        timer = Timer("model(images)", globals={"model": model, "images": images}, num_threads=threads)
        once = timer.timeit(1).mean
        if once > LONG_SECONDS:
            return timer.timeit(3).mean
        return timer.blocked_autorange(min_run_time=run_seconds).median
