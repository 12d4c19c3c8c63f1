"""The quick study's reproduction, compared with the textbook trainer, which trains every rate and seed in full in turn.

The reproduction really runs, in an empty workspace. The textbook's time is estimated, because it would take long: from
its speed of training and evaluation, measured for each network in the same repeat.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arms import Case, processes, textbook_seconds
from benchmarks.records import Row, row, shown
from pipeline.data.manifest import load_manifest
from pipeline.running.plans import plan_runs
from pipeline.settings import read_settings
from pipeline.workspace import current_workspace

PROFILE = "quick"
IMAGES = 3200


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """In each repeat, run the reproduction, then measure the textbook trainer."""
    series: dict[str, list[float]] = {"convstudy": [], "textbook, estimated": []}
    for repeat in range(repeats):
        series["convstudy"].append(_reproduce(data))
        series["textbook, estimated"].append(_textbook(data))
        tell(f"study {repeat + 1}/{repeats}: " + ", ".join(f"{arm} {v[-1]:.0f} s" for arm, v in series.items()))
    rows = [row(f"reproduction, profile {PROFILE}", "s", series, "lower")]
    return rows, [f"the reproduction is {shown(rows[0].ratios['textbook, estimated'])} times as fast as the textbook"]


def _reproduce(data: Path) -> float:
    with TemporaryDirectory() as folder:
        workspace = Path(folder)
        shutil.copytree(data, workspace / "data" / "prepared" / data.name)
        shutil.copy(current_workspace().params_file, workspace / "params.yaml")
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pipeline.verbs.app", "reproduce", "--profile", PROFILE, "--quiet"],
            env={**os.environ, "CONVSTUDY_HOME": folder},
            check=True,
        )
        return time.perf_counter() - started


def _textbook(data: Path) -> float:
    manifest = load_manifest(data)
    plans = plan_runs(read_settings(current_workspace().params_file), PROFILE, manifest)
    total = 0.0
    with processes(["textbook"]) as pools:
        for plan in plans.values():
            for network in plan.networks:
                recipe, seeds = network.recipe_at(network.rates[0]), len(plan.seeds)  # all rates take equally long
                case = Case(network.name, IMAGES, recipe.batch_size, data)
                train, evaluate = pools["textbook"].submit(textbook_seconds, case).result()
                trainings = seeds + (len(network.rates) * len(network.choice_seeds) if len(network.rates) > 1 else 0)
                validated = recipe.validation_images or manifest.splits["validation"].count
                epoch = (recipe.train_images or manifest.splits["train"].count) * train + validated * evaluate
                total += trainings * recipe.epochs * epoch + seeds * manifest.splits["test"].count * evaluate
    return total
