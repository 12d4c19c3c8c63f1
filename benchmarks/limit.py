"""Roofline: how close a training step comes to the least possible time on this machine.

The bound of a step is a sum over layers, forward and backward. A layer's bound is the larger of two times: its
arithmetic at the measured peak for that kind of layer, and its bytes at the measured bandwidth. The bound is
optimistic: each tensor is read and written once, and only layers take time. So 100 % cannot be reached. Measured in
float32, and in bfloat16 if the processor supports it.
Source: Williams et al. (2009), "Roofline", applied per layer.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import search_spaces
from benchmarks.arms import SOURCE_NETWORKS
from benchmarks.records import Row, geometric, row
from pipeline.machine import keep_freed_memory, resolve_precision
from pipeline.running.plans import native_resolution
from pipeline.training.evaluation import autocast
from pipeline.training.initialisation import initialise
from pipeline.training.optimisation import make_optimizer
from pipeline.training.recipe import Recipe

BATCH_SIZE = 64
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BACKWARD_PASSES = 2
"""The backward pass repeats a layer's arithmetic twice: for the gradients of its input and of its weights."""


@dataclass(frozen=True)
class Work:
    """A layer's work in the forward pass: its kind, MACs, and elements read and written; `first`: the first layer."""

    kind: str
    macs: int
    elements: int
    first: bool


@dataclass(frozen=True)
class Peaks:
    """MACs per second by kind of layer, bytes per second, and bytes per element."""

    macs: dict[str, float]
    bandwidth: float
    itemsize: int


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """In each precision and repeat, measure the peaks, then a step of each of the source's networks."""
    keep_freed_memory()
    rows, findings = [], []
    for precision in dict.fromkeys(("float32", resolve_precision("auto", "cpu"))):
        more, share = _shares(precision, repeats, tell)
        rows += more
        findings.append(f"{precision}: training steps reach {100 * share:.0f} % of the bound (geometric mean)")
    return rows, findings


def _shares(precision: str, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], float]:
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in SOURCE_NETWORKS}
    peaks_seen: dict[str, list[float]] = {}
    shares: dict[str, dict[str, float]] = {}
    for repeat in range(repeats):
        peaks = measure_peaks(precision)
        for kind, value in {**peaks.macs, "bandwidth": peaks.bandwidth}.items():
            peaks_seen.setdefault(kind, []).append((2 if kind != "bandwidth" else 1) * value / 1e9)
        for name, series in seen.items():
            network, images, labels = _prepared(name)
            works = layers(network, images)
            bound = sum(bound_seconds(work, peaks) for work in works)
            step = _step_seconds(network, images, labels, precision)
            series.setdefault("bound", []).append(1e3 * bound)
            series.setdefault("step", []).append(1e3 * step)
            shares[name] = {}
            for work in works:
                shares[name][work.kind] = shares[name].get(work.kind, 0.0) + bound_seconds(work, peaks) / bound
            tell(f"limit, {precision}, {repeat + 1}/{repeats}, {name}: {100 * bound / step:.0f} % of the bound")
    rows = [
        row(f"{precision}, peak of {kind}", "GB/s" if kind == "bandwidth" else "GFLOP/s", {"measured": values})
        for kind, values in peaks_seen.items()
    ]
    reached = []
    for name, series in seen.items():
        largest = sorted(shares[name].items(), key=lambda item: -item[1])[:4]
        parts = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in largest)
        item = row(f"{precision}, {name}", "ms per step", series, "lower", f"bound: {parts}")
        reached.append(1 / item.ratios["step"].mean)
        rows.append(item)
    return rows, geometric([math.log(value) for value in reached]).mean


def bound_seconds(work: Work, peaks: Peaks) -> float:
    """The least time of a layer in a training step. The first layer's input needs no gradient."""
    passes = 1 + (BACKWARD_PASSES if not work.first else BACKWARD_PASSES - 1)
    arithmetic = work.macs / peaks.macs[work.kind] if work.macs else 0.0
    return passes * max(arithmetic, work.elements * peaks.itemsize / peaks.bandwidth)


def layers(network: nn.Module, images: Tensor) -> list[Work]:
    """The work of every layer for a batch, in the order of the forward pass."""
    works: list[Work] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        elements = inputs[0].numel() + output.numel() + sum(p.numel() for p in module.parameters())
        macs, kind = 0, "elementwise"
        if isinstance(module, nn.Conv2d):
            macs = output.numel() * module.weight[0].numel()
            side = module.kernel_size[0]
            kind = "grouped convolution" if module.groups > 1 else f"convolution {'1x1' if side == 1 else 'kxk'}"
            if inputs[0].shape[1] == 1:
                kind = "convolution of one channel"
        elif isinstance(module, nn.Linear):
            macs, kind = len(output) * module.weight.numel(), "product"
        works.append(Work(kind, macs, elements, first=not works))

    handles = [
        module.register_forward_hook(note)
        for module in network.modules()
        if not list(module.children()) and not isinstance(module, nn.Identity | nn.Flatten | nn.Dropout)
    ]
    network(images)
    for handle in handles:
        handle.remove()
    return works


def measure_peaks(precision: str) -> Peaks:
    """Peaks of this machine: the fastest of several large calls of each kind, with well-suited shapes."""
    dtype = TYPES[precision]

    def product() -> float:
        a, b = torch.rand(1536, 1536, dtype=dtype), torch.rand(1536, 1536, dtype=dtype)
        return 1536**3 / _fastest(lambda: a @ b)

    def convolution(width: int, side: int, kernel: int, groups: int = 1, channels: int | None = None) -> float:
        channels = channels or width
        images = torch.rand(32, channels, side, side, dtype=dtype).contiguous(memory_format=torch.channels_last)
        layer = nn.Conv2d(channels, width, kernel, padding=kernel // 2, groups=groups)
        layer = layer.to(dtype).to(memory_format=torch.channels_last)
        with torch.no_grad():
            seconds = _fastest(lambda: layer(images))
        return 32 * side**2 * layer.weight.numel() / seconds

    def bandwidth() -> float:
        block = torch.rand(2**26)
        target = torch.empty_like(block)
        return 2 * block.nbytes / _fastest(lambda: target.copy_(block))

    return Peaks(
        {
            "product": product(),
            "convolution kxk": convolution(256, 28, 3),
            "convolution 1x1": convolution(256, 28, 1),
            "grouped convolution": convolution(256, 28, 3, groups=16),
            "convolution of one channel": convolution(64, 112, 7, channels=1),
        },
        bandwidth(),
        dtype.itemsize,
    )


def _fastest(call: Callable[[], object], repeats: int = 5) -> float:
    call()
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best


def _prepared(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    family, reference = search_spaces.reference(name)
    resolution = native_resolution(reference, 28)
    network = search_spaces.instantiate(family, reference.config, resolution, 1, 10)
    initialise(network, "he-normal", 0)
    network = network.to(memory_format=torch.channels_last).train()
    images = torch.rand(BATCH_SIZE, 1, resolution, resolution).contiguous(memory_format=torch.channels_last)
    return network, images, torch.randint(0, 10, (BATCH_SIZE,))


def _step_seconds(network: nn.Module, images: Tensor, labels: Tensor, precision: str) -> float:
    """The median time of a few steps: forward, backward, update."""
    optimizer = make_optimizer(network, Recipe(epochs=1, learning_rate=1e-3))
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        with autocast("cpu", precision):
            logits = network(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return sorted(seconds[1:])[2]
