"""Overhead: time of the whole pipeline compared with the bare training loop, and start-up times of its parts."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import search_spaces
from benchmarks.records import Row, row, shown
from pipeline.data.arrays import open_training_data
from pipeline.data.manifest import Manifest
from pipeline.machine import keep_freed_memory
from pipeline.reporting.report import write_report
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.requests import Request
from pipeline.running.runner import Runner
from pipeline.running.single import single_request
from pipeline.settings import read_settings
from pipeline.training.images import ImageData, load_images
from pipeline.training.loop import train
from pipeline.workspace import Workspace, current_workspace

NETWORK = "resnet-small"
IMAGES, EPOCHS = 6000, 10
"""A training of at least 20 seconds on one core."""
PRICED = 200


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Time the bare loop and the pipeline, then the parts."""
    keep_freed_memory()
    torch.set_num_threads(1)
    manifest = open_training_data(data).manifest
    whole, bare, start = [], [], []
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        options = RunnerOptions(1, data, keep_weights=True)
        with open_runner(workspace, manifest, "cpu", Display("bench", 1, quiet=True), options) as runner:
            _run(runner, _request(manifest, 0, 256, 1))  # warm-up: starts the worker, creates MLflow's store
            for seed in range(1, repeats + 1):
                request = _request(manifest, seed, IMAGES, EPOCHS)
                bare.append(_bare(request, data))
                whole.append(_run(runner, request)[0])
                seconds, trained = _run(runner, _request(manifest, seed, 256, 1))
                start.append(seconds - trained)
                seen = f"bare {bare[-1]:.1f} s, pipeline {whole[-1]:.1f} s, rest {start[-1]:.3f} s"
                tell(f"overhead {seed}/{repeats}: {seen}")
    rows = [
        row(
            f"{NETWORK}, {EPOCHS} epochs of {IMAGES} images", "s", {"bare loop": bare, "whole pipeline": whole}, "lower"
        ),
        row("a training in a warm worker, without the training itself", "s", {"convstudy": start}, None),
        row(
            "convstudy --help",
            "s",
            {"convstudy": [_seconds("-m", "pipeline.verbs.app", "--help") for _ in range(repeats)]},
            None,
        ),
        row("import of the driver", "s", {"convstudy": [_seconds("-c", DRIVER) for _ in range(repeats)]}, None),
        row("import of torch", "s", {"torch": [_seconds("-c", "import torch") for _ in range(repeats)]}, None),
        row("start of a cold worker", "s", {"convstudy": [_cold_worker() for _ in range(repeats)]}, None),
        row("pricing of one design", "s", {"convstudy": [_pricing() for _ in range(repeats)]}, None),
        row("report of the published study", "s", {"convstudy": [_report() for _ in range(repeats)]}, None),
        row("dvc repro, per changed stage", "s", {"dvc": [_dvc() for _ in range(repeats)]}, None),
    ]
    ratio = rows[0].ratios["whole pipeline"]
    return rows, [f"the whole pipeline takes {shown(ratio)} times as long as the bare loop"]


DRIVER = "import pipeline.running.campaign, pipeline.running.open_runner"


def _request(manifest: Manifest, seed: int, images: int, epochs: int) -> Request:
    changes = {"epochs": epochs, "train_images": images, "validation_images": 500, "train_loss_images": 500}
    settings = read_settings(current_workspace().params_file)
    return single_request(NETWORK, None, settings, "common", changes, manifest, seed, "cpu", False)


def _bare(request: Request, data: Path) -> float:
    spec, opened = request.spec, open_training_data(data)
    family, reference = search_spaces.reference(NETWORK)
    started = time.perf_counter()
    images = ImageData(
        load_images(opened.train.images, opened.train.labels, spec.recipe.train_images, "cpu"),
        load_images(opened.validation.images, opened.validation.labels, spec.recipe.validation_images, "cpu"),
        opened.manifest.mean,
        opened.manifest.std,
    )
    network = search_spaces.instantiate(family, reference.config, spec.resolution, spec.channels, spec.classes)
    train(network, replace(spec.recipe), images, spec.seed)
    return time.perf_counter() - started


def _run(runner: Runner, request: Request) -> tuple[float, float]:
    """Seconds from submitting a run to its outcome, and its seconds of training and evaluation."""
    started = time.perf_counter()
    runner.submit(request)
    (outcome,) = runner.outcomes()
    seconds = time.perf_counter() - started
    measured = outcome.folder.measurement()
    assert measured is not None
    return seconds, measured.train_seconds + measured.evaluation_seconds


def _seconds(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def _cold_worker() -> float:
    """Runs in a new process: in this one the server that starts workers is already running."""
    code = (
        "import time; from pipeline.running.workers import worker_context; from pebble import ProcessPool; import os\n"
        "started = time.perf_counter()\n"
        "with ProcessPool(1, context=worker_context()) as pool: pool.schedule(os.getpid).result()\n"
        "print(time.perf_counter() - started)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _pricing() -> float:
    designs = [(family, reference.config) for family, reference in search_spaces.references().values()]
    started = time.perf_counter()
    for index in range(PRICED):
        family, config = designs[index % len(designs)]
        search_spaces.price(family, config, 224, 1, 10)
    return (time.perf_counter() - started) / PRICED


def _report() -> float:
    with TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        shutil.copytree(current_workspace().published / "quick", results)
        started = time.perf_counter()
        write_report(results)
        return time.perf_counter() - started


def _dvc(stages: int = 5) -> float:
    with TemporaryDirectory() as folder:
        Path(folder, "dvc.yaml").write_text(
            "stages:\n" + "".join(f"  s{n}:\n    cmd: echo {n} > {n}\n    outs: ['{n}']\n" for n in range(stages))
        )
        dvc = Path(sys.executable).with_name("dvc")
        subprocess.run([dvc, "init", "--no-scm", "--quiet"], cwd=folder, check=True)
        started = time.perf_counter()
        subprocess.run([dvc, "repro", "--quiet"], cwd=folder, check=True)
        return (time.perf_counter() - started) / stages
