"""Growth: how memory and time grow with images in a data set, runs in the run store, and runs in MLflow."""

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.records import Row, row
from pipeline.data.arrays import open_training_data
from pipeline.data.manifest import write_manifest
from pipeline.evidence.records import Membership, Result, RunSpec
from pipeline.evidence.store import RunStore
from pipeline.files import sha256_file
from pipeline.running.estimate import measured_speeds
from pipeline.tracking.replay import replay
from pipeline.training.history import Epoch
from pipeline.training.recipe import Recipe

IMAGES = (10_000, 100_000, 1_000_000)
STORED_RUNS = (100, 1_000, 10_000, 100_000)
MIRRORED_RUNS = (100, 1_000, 10_000)
LOOKED_UP = 200
EPOCH = """
import json, sys, time
from pathlib import Path
import torch
from pipeline.data.arrays import open_training_data
from pipeline.training.images import Preparation, load_images
from pipeline.training.recipe import Recipe

def kibibytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])

torch.set_num_threads(1)
before = kibibytes("RssAnon")
opened = open_training_data(Path(sys.argv[1]))
images = load_images(opened.train.images, opened.train.labels, None, "cpu")
manifest = opened.manifest
preparation = Preparation(Recipe(epochs=1), manifest.mean, manifest.std, manifest.image_shape[-1], "cpu")
started = time.perf_counter()
stream = torch.Generator().manual_seed(0)
peak = 0
for chosen in torch.randperm(len(images)).split(64):
    preparation.for_training(images.take(chosen)[0], stream)
    if len(chosen) < 64 or int(chosen[0]) % 64 == 0:
        peak = max(peak, kibibytes("RssAnon"))
seconds = time.perf_counter() - started
print(json.dumps([(peak - before) / 1024, kibibytes("RssFile") / 1024, len(images) / seconds]))
"""
"""Draws the batches of one epoch without training: prints own memory and memory of mapped files (MiB), and speed."""


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Measure each size `repeats` times; reading all runs and replaying them once per size."""
    rows = [*_images(data, repeats, tell), *_runs(repeats, tell)]
    by_case = {item.case: item.median(next(iter(item.arms))) for item in rows}
    small, large = (by_case[f"memory of an epoch, {count:,} images"] for count in (IMAGES[0], IMAGES[-1]))
    few, many = (by_case[f"look-up of a run among {count:,}"] for count in (STORED_RUNS[0], STORED_RUNS[-1]))
    return rows, [
        f"memory with {IMAGES[-1]:,} images: {large - small:+.0f} MiB compared with {IMAGES[0]:,} images",
        f"a look-up among {STORED_RUNS[-1]:,} runs takes {many / few:.2f} times as long as among {STORED_RUNS[0]:,}",
    ]


def _images(data: Path, repeats: int, tell: Callable[[str], None]) -> list[Row]:
    rows = []
    for count in IMAGES:
        own, mapped, speed = list[float](), list[float](), list[float]()
        with TemporaryDirectory() as folder:
            grown = _grown(data, Path(folder) / "grown", count)
            for _ in range(repeats):
                command = [sys.executable, "-c", EPOCH, str(grown)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                for values, value in zip((own, mapped, speed), json.loads(done.stdout), strict=True):
                    values.append(value)
        rows.append(row(f"memory of an epoch, {count:,} images", "MiB", {"own": own, "mapped files": mapped}, None))
        rows.append(row(f"batches drawn, {count:,} images", "images/s", {"convstudy": speed}, None))
        tell(f"growth: {count:,} images: {own[-1]:.0f} MiB of own memory")
    return rows


def _grown(data: Path, target: Path, count: int) -> Path:
    """A copy of the data set with `count` training images: the originals repeated, with noise."""
    shutil.copytree(data, target)
    opened = open_training_data(data)
    train = opened.manifest.splits["train"]
    images = np.lib.format.open_memmap(
        target / train.images_file, mode="w+", dtype=np.uint8, shape=(count, *opened.manifest.image_shape)
    )
    generator = np.random.default_rng(0)
    for start in range(0, count, 10_000):
        block = np.array(opened.train.images[np.arange(start, start + 10_000) % len(opened.train.images)])
        images[start : start + 10_000] = (block + generator.integers(0, 4, block.shape, dtype=np.uint8))[
            : count - start
        ]
    images.flush()
    labels = opened.train.labels[np.arange(count) % len(opened.train.labels)]
    np.save(target / train.labels_file, labels)
    grown = dataclasses.replace(
        train,
        images_sha256=sha256_file(target / train.images_file),
        labels_sha256=sha256_file(target / train.labels_file),
        count=count,
        class_counts=tuple(int(n) for n in np.bincount(labels, minlength=len(train.class_counts))),
    )
    for name in ("manifest.json", "manifest.sha256"):
        (target / name).unlink()
    write_manifest(target, dataclasses.replace(opened.manifest, splits={**opened.manifest.splits, "train": grown}))
    return target


def _runs(repeats: int, tell: Callable[[str], None]) -> list[Row]:
    rows, runs = [], list[str]()
    with TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "runs")
        for count in STORED_RUNS:
            runs += [_store_run(store, seed) for seed in range(len(runs), count)]
            generator = np.random.default_rng(0)
            look_up, scan, again = [], [], []
            for _ in range(repeats):
                chosen = [runs[index] for index in generator.integers(0, count, LOOKED_UP)]
                started = time.perf_counter()
                for run in chosen:
                    assert store.folder(run).result() is not None
                look_up.append((time.perf_counter() - started) / LOOKED_UP)
            started = time.perf_counter()
            measured_speeds(store, "cpu")
            scan.append(time.perf_counter() - started)
            rows.append(row(f"look-up of a run among {count:,}", "s", {"convstudy": look_up}, None))
            rows.append(row(f"reading all of {count:,} runs", "s", {"convstudy": scan}, None))
            if count in MIRRORED_RUNS:
                mlflow = Path(folder) / "mlruns"
                started = time.perf_counter()
                replay(store, mlflow, [], lambda line: None)
                first = time.perf_counter() - started
                started = time.perf_counter()
                replay(store, mlflow, [], lambda line: None)
                again.append(time.perf_counter() - started)
                rows.append(
                    row(f"replay of {count:,} runs into MLflow", "s", {"new": [first], "unchanged": again}, None)
                )
            tell(f"growth: {count:,} runs: look-up {1e3 * look_up[-1]:.2f} ms, reading all {scan[-1]:.2f} s")
    return rows


def _store_run(store: RunStore, seed: int) -> str:
    """Write a finished run; returns its hash."""
    spec = RunSpec("lenet", {"widths": [6, 16]}, 1, 10, 28, Recipe(epochs=3), "0" * 20, seed)
    folder = store.register(spec, "lenet", "fashion-mnist", Membership("run", "lenet", "seed"))
    history = tuple(Epoch(epoch, 0.5, 0.5, 20.0, 0.1, 1.0) for epoch in (1, 2, 3))
    folder.write(Result("result/1", folder.run, "complete", None, history, "0" * 64))
    return folder.run
