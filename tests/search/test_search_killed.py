"""Searches that are killed, stopped and interrupted, with real workers that train on real images."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from processes import processes_in, wait_until, workers_of
from verbs import SMALL, json_of, started, training_since

from pipeline.workspace import Workspace


@pytest.mark.parametrize(
    ("workers", "trials", "kills"),
    [("2", 8, 2), *(pytest.param(workers, 40, 6, marks=pytest.mark.soak) for workers in ("1", "2", "4"))],
)
def test_a_search_killed_at_random_counts_exactly_its_budget(
    study: Workspace, workers: str, trials: int, kills: int
) -> None:
    """Driver and workers are killed again and again; every trial ends once, nothing is left RUNNING."""
    chance = random.Random(int(workers))
    longer = ("--train-images", "16384", "--epochs", "2", "--max-macs", "1M")
    command = ("search", "lenet", "--trials", f"{trials}", *longer, "--study", "chaos", "--workers", workers, "--quiet")
    counted = [0]
    while len(counted) <= kills and counted[-1] < trials:
        moment = time.time()
        process = started(study, *command, "--retries", "9")
        wait_until(lambda moment=moment: training_since(study, moment))  # type: ignore[misc]
        time.sleep(chance.random())
        for worker in workers_of(process.pid)[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        time.sleep(chance.random())
        process.kill()
        process.communicate()
        counted.append(json_of(study, "status", "chaos")["counted"])
    assert counted[1] < trials, "it was over before anything was killed"
    wait_until(lambda: not processes_in(study))
    record = json_of(study, *command)
    assert counted == sorted(counted)
    assert (record["state"], record["counted"]) == ("complete", trials)
    assert sorted(trial["number"] for trial in record["trials"]) == list(range(trials))
    assert len({json.dumps(trial["config"]) for trial in record["trials"]}) == trials
    assert all(trial["state"] in ("complete", "stopped") for trial in record["trials"])
    begun_again = sum(trial["attempts"] - 1 for trial in record["trials"])
    assert begun_again <= kills * (int(workers) + 1)  # those in flight, and one more by a worker's death


ZOMBIE = """
import sys
from pipeline.data.manifest import load_manifest
from pipeline.evidence.study_records import Budget
from pipeline.running.workers import prepare_workers
from pipeline.search.plans import plan_search
from pipeline.search.searches import search
from pipeline.running.open_runner import RunnerOptions
from pipeline.training.recipe import Recipe
from pipeline.workspace import current_workspace

prepare_workers()
place = current_workspace()
manifest = load_manifest(place.prepared_data / "fashion-mnist")
recipe = Recipe(epochs=2, batch_size=64, train_images=int(sys.argv[2]), validation_images=500, train_loss_images=500)
plan = plan_search(["lenet"], recipe, manifest, "cpu", sampler="random")
options = RunnerOptions(workers=2, keep_weights=True, stall_seconds=8.0)
search(place, manifest, plan, Budget(trials=int(sys.argv[1])), name="zombie", options=options)
"""


@pytest.mark.parametrize(
    ("trials", "stops", "images"), [(3, 1, 9_600), pytest.param(40, 6, 19_200, marks=pytest.mark.soak)]
)
def test_a_worker_stopped_past_its_deadline_is_replaced_and_counts_for_nothing(
    study: Workspace, trials: int, stops: int, images: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ZOMBIE, f"{trials}", f"{images}"],
        env={**os.environ, "CONVSTUDY_HOME": str(study.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stopped: list[psutil.Process] = []
    while process.poll() is None and len(stopped) < stops:
        time.sleep(0.1)
        workers = workers_of(process.pid)
        both_train = len(list(study.runs.glob("*/progress.json"))) == 2
        if workers and both_train and not any(worker.is_running() for worker in stopped):
            workers[0].suspend()
            stopped.append(workers[0])
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and len(stopped) == stops, output
    assert output.count("worker hung") >= 1
    assert not any(worker.is_running() for worker in stopped), "a worker that was given up may come back"
    record = json_of(study, "status", "zombie")
    assert (record["state"], record["counted"]) == ("complete", trials)
    assert sorted(trial["number"] for trial in record["trials"]) == list(range(trials))
    assert sum(trial["attempts"] - 1 for trial in record["trials"]) >= 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)]
)
def test_an_interrupted_search_ends_soon_and_continues(study: Workspace, number: signal.Signals, code: int) -> None:
    command = ("search", "lenet", "--trials", "6", *SMALL, "--study", "cut")
    moment = time.time()
    process = started(study, *command)
    wait_until(lambda: training_since(study, moment))
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == code, errors.decode()
    assert time.monotonic() - began < 10
    assert not processes_in(study)
    status = json_of(study, "status", "cut")
    assert status["state"] == "interrupted" and status["counted"] < 6
    assert json_of(study, *command, "--quiet")["counted"] == 6
