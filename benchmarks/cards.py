"""Trainings per hour on one GPU, by the number of trainings that share it, and measured against estimated memory."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import torch

import search_spaces
from benchmarks.records import Row, row, shown
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import UsageError
from pipeline.evidence.records import RunSpec
from pipeline.evidence.store import RunStore
from pipeline.machine import cores, resolve_precision
from pipeline.running.estimate import training_bytes, trainings_at_once
from pipeline.running.jobs import Job
from pipeline.running.plans import run_spec
from pipeline.running.process_executor import ProcessExecutor
from pipeline.schema import to_json
from pipeline.training.recipe import Recipe

SHARED_BY = (1, 3, 6, 12)
TRAININGS = 12
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Trained:
    """One training of the benchmark: a reference, its resolution in pixels, batch size and number of batches."""

    name: str
    resolution: int
    batch_size: int
    steps: int


CASES = (Trained("resnet-small", 28, 64, 200), Trained("googlenet", 96, 128, 25))


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Run twelve short trainings of each case: as many at once as by default, and 1, 3, 6 and 12 at once if they fit.

    Raises UsageError without a GPU.
    """
    if not torch.cuda.is_available():
        raise UsageError("the benchmark cards needs a GPU: no CUDA device was found")
    rows, findings = [], []
    for case in CASES:
        with TemporaryDirectory() as folder:
            rows += _measure(case, Path(folder), data, repeats, tell)
        speed = rows[-2]
        against = ", ".join(f"{shown(ratio)} times {other}" for other, ratio in speed.ratios.items())
        findings.append(f"{speed.case}: {next(iter(speed.arms))} (default) is {against}")
    return rows, findings


def _measure(case: Trained, store: Path, data: Path, repeats: int, tell: Callable[[str], None]) -> list[Row]:
    manifest = load_manifest(data)
    waiting = (_spec(case, manifest, seed) for seed in itertools.count())
    spec = next(waiting)
    default, bytes_each = trainings_at_once([spec], "cuda"), training_bytes(spec)
    most = min(cores(), torch.cuda.mem_get_info()[0] // bytes_each)
    shared_by = sorted({default, *(count for count in SHARED_BY if count <= most)}, key=lambda n: (n != default, n))
    rates: dict[str, list[float]] = {f"{count} at once": [] for count in shared_by}
    memory: dict[str, list[float]] = {"measured": [], "estimated": []}
    for count in shared_by:
        before = torch.cuda.mem_get_info()[0]
        executor = ProcessExecutor("cuda", count)
        try:
            with least_free() as least:
                _train(executor, store, data, manifest, [next(waiting) for _ in range(count)])  # warm-up: CUDA starts
            if count == 1:
                memory["measured"].append((before - least()) / 2**30)
                memory["estimated"].append(bytes_each / 2**30)
            for repeat in range(repeats):
                seconds = _train(executor, store, data, manifest, [next(waiting) for _ in range(TRAININGS)])
                rates[f"{count} at once"].append(3600 * TRAININGS / seconds)
                tell(f"{case.name}, {count} at once, {repeat + 1}/{repeats}: {seconds:.1f} s")
        finally:
            executor.close()
    title = f"{case.name}, {case.resolution} pixels, batch {case.batch_size}"
    return [row(title, "trainings/hour", rates), row(title, "GiB of GPU memory per training", memory, None)]


def _train(executor: ProcessExecutor, store: Path, data: Path, manifest: Manifest, specs: list[RunSpec]) -> float:
    """Train all; returns the seconds."""
    runs = [RunStore(store).register(spec, "cards", manifest.name).run for spec in specs]
    started = time.perf_counter()
    for future in [executor.submit(Job(store, run, data, manifest.test_fingerprint)) for run in runs]:
        future.result()
    return time.perf_counter() - started


def _spec(case: Trained, manifest: Manifest, seed: int) -> RunSpec:
    family, reference = search_spaces.reference(case.name)
    recipe = Recipe(
        epochs=1,
        batch_size=case.batch_size,
        train_images=case.steps * case.batch_size,
        validation_images=1000,
        train_loss_images=500,
        learning_rate=0.01,
        precision=resolve_precision("auto", "cuda"),
    )
    return run_spec(family.name, to_json(reference.config), case.resolution, recipe, seed, manifest, "cuda")


@contextmanager
def least_free() -> Iterator[Callable[[], int]]:
    """Yields a function that returns the least free memory of the GPU in bytes since the block started."""
    least, over = [torch.cuda.mem_get_info()[0]], Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            least[0] = min(least[0], torch.cuda.mem_get_info()[0])

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: least[0]
    finally:
        over.set()
        watcher.join()
