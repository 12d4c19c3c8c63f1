"""Estimates what a plan would take on this machine: runs to train, hours and disk.

Speeds come from the run store if this machine has trained the same network at the same size. Otherwise a few training
steps on random images are timed. Evaluating an image counts as a third of training on it, since a forward pass takes
about a third of forward and backward.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pipeline.cost.memory import OPTIMIZER_COPIES, saved_bytes_per_sample
from pipeline.data.manifest import Manifest
from pipeline.evidence.records import RunSpec
from pipeline.evidence.store import RunStore
from pipeline.machine import DeviceKind, cores, default_workers, hardware
from pipeline.models.finished import build_network
from pipeline.running.outcomes import finished_result
from pipeline.running.plans import price_of
from pipeline.running.requests import Request
from pipeline.training.evaluation import autocast
from pipeline.training.loss import training_loss
from pipeline.training.optimisation import make_optimizer
from search_spaces import Price

CALIBRATION_PIXELS = 2**20
"""Maximum number of pixels in the timed batch. A recipe's smaller batch is timed as it is."""
FORWARD_SHARE = 1 / 3
RECORD_BYTES = 16_000
"""Approximate size of a run's JSON records."""
PACKED = 6
"""Maximum number of trainings per card. On an H200 with 16 cores, 12 were no faster than 6 (resnet-small), or 7 %
faster (GoogLeNet), n=2."""
CUDA_PROCESS_BYTES = 2**30
"""Memory of one process on a card: CUDA's context and libraries, and the data set. Measured on an H200: 0.8 GiB."""
ACTIVATION_SLACK = 2
"""Memory of activations in training, as a multiple of the float32 bytes that autograd saves for the backward pass.

The rest is for gradients of activations, workspaces and the allocator's cache. On an H200 in bfloat16 the estimate was
1.6 times the memory of GoogLeNet at 96 pixels, and 1.2 times that of VGG-11 at 224."""


@dataclass(frozen=True)
class Estimate:
    """Runs in all and finished ones, hours of wall time, and bytes of kept weights and records."""

    runs: int
    finished: int
    hours: float
    disk_bytes: int


def estimate(
    requests: Sequence[Request],
    manifest: Manifest,
    store: RunStore,
    speeds: dict[str, float],
    workers: int,
    keep_weights: bool,
) -> Estimate:
    """Estimate the requests that are not finished, with `workers` parallel trainings.

    `speeds` come from `measured_speeds`. Networks missing there are timed, and added to it.
    """
    pending = _pending(requests, manifest, store)
    seconds, disk = 0.0, 0
    for request in pending:
        key = _key(request.spec)
        if key not in speeds:
            speeds[key] = _timed_speed(request.spec)
        seconds += _images(request.spec, manifest, request.test, request.until) / speeds[key]
        disk += RECORD_BYTES + (4 * _price(request.spec).params if keep_weights and request.test else 0)
    return Estimate(len(requests), len(requests) - len(pending), seconds / workers / 3600, disk)


def pending_macs(requests: Sequence[Request], manifest: Manifest, store: RunStore) -> float:
    """Work of the requests that are not finished: the sum of their `training_macs`."""
    return sum(training_macs(r.spec, manifest, r.test, r.until) for r in _pending(requests, manifest, store))


def training_macs(spec: RunSpec, manifest: Manifest, test: bool = False, until: int | None = None) -> float:
    """Work of a run in MACs of forward passes, for comparison with other work; a training step counts as one."""
    return _images(spec, manifest, test, until) * _price(spec).macs


def _pending(requests: Sequence[Request], manifest: Manifest, store: RunStore) -> list[Request]:
    return [
        request
        for request in requests
        if finished_result(request, store.folder(request.spec.hash), manifest.test_fingerprint) is None
    ]


def trainings_at_once(specs: Sequence[RunSpec], device: DeviceKind) -> int:
    """How many of these trainings run in parallel: one per core on CPU, or as many as fit on the cards."""
    if device == "cpu" or not specs:
        return default_workers(device)
    each, on_cards = max(training_bytes(spec) for spec in specs), default_workers(device)
    free = min(torch.cuda.mem_get_info(card)[0] for card in range(on_cards))
    return on_cards * fitting(free, each, cores() // on_cards)


def fitting(free_bytes: int, bytes_each: int, cores: int) -> int:
    """Trainings that fit in a card's free memory: at least one, at most one per core, and at most PACKED."""
    return max(1, min(free_bytes // bytes_each, cores, PACKED))


def training_bytes(spec: RunSpec) -> int:
    """Memory of a training on a card: weights with their copies, activations of a batch, and the process itself."""
    saved = saved_bytes_per_sample(build_network(spec, "meta"), spec.channels, spec.resolution)
    weights = 4 * OPTIMIZER_COPIES * _price(spec).params
    return CUDA_PROCESS_BYTES + weights + ACTIVATION_SLACK * spec.recipe.batch_size * saved


def run_seconds(spec: RunSpec, manifest: Manifest) -> float:
    """Seconds that one worker needs for a run without test, from a few steps timed now."""
    return _images(spec, manifest, test=False) / _timed_speed(spec)


def _images(spec: RunSpec, manifest: Manifest, test: bool, until: int | None = None) -> float:
    """Images of a run, in units of one image trained. An evaluated image counts FORWARD_SHARE."""
    recipe, counts = spec.recipe, {name: split.count for name, split in manifest.splits.items()}
    trained = min(recipe.train_images or counts["train"], counts["train"])
    sample = min(recipe.train_loss_images, trained)
    validated = min(recipe.validation_images or counts["validation"], counts["validation"])
    tested = counts["test"] if test else 0
    epochs = until or recipe.epochs
    return epochs * trained + FORWARD_SHARE * (epochs * (sample + validated) + tested)


def measured_speeds(store: RunStore, device: DeviceKind) -> dict[str, float]:
    """Training images per second of each network that this machine has trained."""
    speeds: dict[str, float] = {}
    here = hardware(device)
    for folder in store:
        header, measurement = folder.header(), folder.measurement()
        if header is None or measurement is None or not measurement.images_per_second:
            continue
        if header.spec.device == device and measurement.hardware == here:
            rates = measurement.images_per_second
            speeds[_key(header.spec)] = sum(rates) / len(rates)
    return speeds


def _key(spec: RunSpec) -> str:
    recipe = spec.recipe
    return f"{spec.device} {recipe.precision} {recipe.batch_size} {spec.resolution} {spec.family} {spec.config}"


def _price(spec: RunSpec) -> Price:
    return price_of(spec.family, spec.config, spec.resolution, spec.channels, spec.classes)


def _timed_speed(spec: RunSpec) -> float:
    """Images per second in the fastest of three training steps on random images, with one thread on CPU."""
    model = build_network(spec)
    model = model.to(spec.device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, spec.recipe)
    batch = max(1, min(spec.recipe.batch_size, CALIBRATION_PIXELS // spec.resolution**2))
    images = torch.rand(batch, spec.channels, spec.resolution, spec.resolution, device=spec.device)
    labels = torch.zeros(batch, dtype=torch.int64, device=spec.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps = [_step_seconds(model, optimizer, images, labels, spec.recipe.precision) for _ in range(3)]
        return batch / min(steps)
    finally:
        torch.set_num_threads(threads)


def _step_seconds(
    model: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor, precision: str
) -> float:
    started = time.perf_counter()
    with autocast(images.device.type, precision):
        output = model(images.contiguous(memory_format=torch.channels_last))
    optimizer.zero_grad()
    training_loss(output, labels).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def describe(estimates: Iterable[tuple[str, Estimate]]) -> str:
    """One line per group, and their sum."""
    estimates = list(estimates)
    width = max(12, *(len(name) for name, _ in estimates)) if estimates else 12
    lines = [f"{'group':<{width}} {'runs':>5} {'finished':>9} {'hours':>8} {'disk':>10}"]
    total_runs = total_finished = total_disk = 0
    total_hours = 0.0
    for name, item in estimates:
        lines.append(_row(f"{name:<{width}}", item.runs, item.finished, item.hours, item.disk_bytes))
        total_runs, total_finished = total_runs + item.runs, total_finished + item.finished
        total_hours, total_disk = total_hours + item.hours, total_disk + item.disk_bytes
    lines.append(_row(f"{'all':<{width}}", total_runs, total_finished, total_hours, total_disk))
    return "\n".join(lines)


def _row(name: str, runs: int, finished: int, hours: float, disk_bytes: int) -> str:
    return f"{name} {runs:>5} {finished:>9} {hours:>8.2f} {disk_bytes / 2**20:>6.0f} MiB"
