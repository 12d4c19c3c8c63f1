"""Data: speed of preparing a named source and an image folder, and of drawing batches in memory."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from benchmarks.records import Row, row
from benchmarks.textbook import PilImages, transform
from pipeline.data.arrays import open_training_data
from pipeline.settings import read_settings
from pipeline.training.images import Preparation, load_images
from pipeline.training.recipe import Recipe
from pipeline.workspace import current_workspace

FOLDER_IMAGES = 4000
BATCHES, BATCH_SIZE = 200, 64
PREPARE = """
import json, sys, time
from pathlib import Path
from pipeline.data.prepare import prepare

def peak_kibibytes():  # getrusage would include the parent's peak before exec
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

before = peak_kibibytes()
started = time.perf_counter()
source, raw, target = sys.argv[1:]
manifest = prepare(source, Path(raw), Path(target), name="bench", tell=lambda line: None)
seconds = time.perf_counter() - started
images = sum(split.count for split in manifest.splits.values())
print(json.dumps([images / seconds, (peak_kibibytes() - before) / 1024]))
"""


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Prepare Fashion-MNIST and a folder of its images as PNG files, then draw batches."""
    opened = open_training_data(data)
    speed: dict[str, list[float]] = {"IDX": [], "folder of PNG": []}
    memory: dict[str, list[float]] = {"IDX": [], "folder of PNG": []}
    with TemporaryDirectory() as folder:
        images = Path(folder) / "images"
        for index, (pixels, label) in enumerate(
            zip(opened.train.images[:FOLDER_IMAGES], opened.train.labels[:FOLDER_IMAGES], strict=True)
        ):
            target = images / f"class-{label}" / f"{index}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[0]).save(target)
        for repeat in range(repeats):
            for arm, source in (("IDX", "fashion-mnist"), ("folder of PNG", str(images))):
                rate, mebibytes = _prepare(source, Path(folder) / f"prepared-{repeat}")
                speed[arm].append(rate)
                memory[arm].append(mebibytes)
            tell(f"data {repeat + 1}/{repeats}: {', '.join(f'{a} {v[-1]:,.0f} images/s' for a, v in speed.items())}")
    rows = [
        row("prepare", "images/s", speed, None),
        row("prepare: additional memory", "MiB", memory, None),
    ]
    augmented = read_settings(current_workspace().params_file).recipe_named("augmented")
    torch.set_num_threads(1)
    for resolution in (28, 96):
        plain = replace(augmented, augmentations=(), resolution=resolution)
        series = {
            "in memory": [_batches(plain, data) for _ in range(repeats)],
            "in memory, augmented": [_batches(replace(augmented, resolution=resolution), data) for _ in range(repeats)],
            "PIL, one worker": [_pil_batches(resolution, data) for _ in range(repeats)],
        }
        rows.append(row(f"batches of {BATCH_SIZE} at {resolution} pixels, one thread", "batches/s", series))
    return rows, []


def _prepare(source: str, target: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", PREPARE, source, str(current_workspace().raw_data), str(target)]
    rate, mebibytes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return rate, mebibytes


def _batches(recipe: Recipe, data: Path) -> float:
    opened = open_training_data(data)
    images, manifest = load_images(opened.train.images, opened.train.labels, None, "cpu"), opened.manifest
    preparation = Preparation(recipe, manifest.mean, manifest.std, manifest.image_shape[-1], "cpu")
    order, stream = torch.randperm(len(images)), torch.Generator().manual_seed(0)
    started = time.perf_counter()
    for step in range(BATCHES):
        pixels, _ = images.take(order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE])
        preparation.for_training(pixels, stream)
    return BATCHES / (time.perf_counter() - started)


def _pil_batches(resolution: int, data: Path) -> float:
    opened = open_training_data(data)
    manifest = opened.manifest
    images = PilImages(opened.train.images, opened.train.labels, transform(resolution, manifest.mean, manifest.std))
    batches = BATCHES // 10
    started = time.perf_counter()
    for step in range(batches):
        torch.stack([images[index][0] for index in range(step * BATCH_SIZE, (step + 1) * BATCH_SIZE)])
    return batches / (time.perf_counter() - started)
