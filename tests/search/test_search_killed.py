"""Searches that are killed, stopped and interrupted, with real workers that train on real images."""

import contextlib
import json
import os
import random
import signal
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from held import hold, hold_workers_too, release
from processes import (
    LONGEST_SECONDS,
    fresh_processes,
    processes_in,
    training_workers,
    wait_until,
    wait_until_ended,
    workers_of,
)
from verbs import SMALL, forked, json_of, started, trainings_since

from pipeline.data.manifest import load_manifest
from pipeline.evidence.study_records import Budget
from pipeline.running import runner
from pipeline.running.open_runner import RunnerOptions
from pipeline.search.plans import plan_search
from pipeline.search.searches import search
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace


def check_study(study: Workspace, record: Any, trials: int) -> None:
    """Everything that holds of a study that has reached its budget, and its processes."""
    wait_until(lambda: not processes_in(study))
    assert (record["state"], record["counted"]) == ("complete", trials)
    assert sorted(trial["number"] for trial in record["trials"]) == list(range(trials))
    assert len({json.dumps(trial["config"]) for trial in record["trials"]}) == trials
    assert all(trial["state"] in ("complete", "stopped") for trial in record["trials"])


def test_a_search_whose_workers_and_drivers_are_killed_counts_exactly_its_budget(study: Workspace) -> None:
    """While two networks train, a worker is killed, and then the driver; twice, and a worker again."""
    command = ("search", "lenet", *SMALL, "--study", "killed", "--workers", "2", "--quiet", "--trials")
    assert json_of(study, *command, "2")["counted"] == 2
    for kill in (1, 2, 3):
        hold(study.runs, 1)
        begun = time.time()
        driver = forked(study, *command, "6")
        assert driver.pid is not None
        wait_until(lambda begun=begun: trainings_since(study, begun) == 2)  # type: ignore[misc]
        killed = time.time()
        training_workers(driver.pid)[0].kill()
        if kill > 1:  # the driver begins the run again
            wait_until(lambda killed=killed: trainings_since(study, killed) == 1)  # type: ignore[misc]
        if kill < 3:
            driver.kill()
            driver.join()
            wait_until(lambda: not processes_in(study))
            assert json_of(study, "status", "killed")["counted"] == 2
    release(study.runs)
    driver.join(LONGEST_SECONDS)
    assert driver.exitcode == 0
    record = json_of(study, "status", "killed")
    check_study(study, record, 6)
    assert sum(trial["attempts"] - 1 for trial in record["trials"]) == 1  # none is left of an earlier driver's


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_search_killed_at_random_counts_exactly_its_budget(study: Workspace, workers: int) -> None:
    """Driver and workers are killed again and again, whatever they are at."""
    trials, kills, chance = 40, 6, random.Random(workers)
    longer = ("--train-images", "16384", "--epochs", "2", "--max-macs", "1M")
    command = ("search", "lenet", "--trials", f"{trials}", *longer, "--study", "chaos", "--workers", f"{workers}")
    counted = [0]
    while len(counted) <= kills and counted[-1] < trials:
        moment = time.time()
        process = started(study, *command, "--quiet", "--retries", "9")
        wait_until(lambda moment=moment: trainings_since(study, moment) > 0)  # type: ignore[misc]
        time.sleep(chance.random())
        for worker in workers_of(process.pid)[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        time.sleep(chance.random())
        process.kill()
        process.communicate()
        counted.append(json_of(study, "status", "chaos")["counted"])
    assert counted == sorted(counted)
    wait_until(lambda: not processes_in(study))
    record = json_of(study, *command, "--quiet")
    check_study(study, record, trials)
    begun_again = sum(trial["attempts"] - 1 for trial in record["trials"])
    assert begun_again <= kills * (workers + 1)  # those in flight, and one more by a worker's death


LATE = "late"
"""A file: when it is there a driver's clock has gone forward by a million seconds."""


def search_by_its_own_clock(workspace: Workspace, trials: int) -> None:
    """A search that gives up a worker which is silent for long, in a process of its own."""
    os.environ["CONVSTUDY_HOME"] = str(workspace.root)
    hold_workers_too()
    late = workspace.root / LATE
    setattr(runner, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1e6 * late.exists()))  # noqa: B010
    manifest = load_manifest(workspace.prepared_data / "fashion-mnist")
    recipe = Recipe(epochs=2, batch_size=64, train_images=512, validation_images=500, train_loss_images=500)
    plan = plan_search(["lenet"], recipe, manifest, "cpu", sampler="random", halving=False)
    options = RunnerOptions(workers=2, keep_weights=True, stall_seconds=1e5)
    search(workspace, manifest, plan, Budget(trials=trials), name="zombie", options=options)


@pytest.mark.parametrize("stops", [1, pytest.param(6, marks=pytest.mark.soak)])
def test_a_worker_stopped_past_its_deadline_is_replaced_and_counts_for_nothing(study: Workspace, stops: int) -> None:
    for trials in range(3, 3 * stops + 1, 3):
        hold(study.runs, 1)
        begun = time.time()
        driver = fresh_processes().Process(target=search_by_its_own_clock, args=(study, trials), daemon=False)
        driver.start()
        assert driver.pid is not None
        wait_until(lambda begun=begun: trainings_since(study, begun) == 2)  # type: ignore[misc]
        stopped = training_workers(driver.pid)[0]
        stopped.suspend()
        release(study.runs)
        wait_until(lambda trials=trials: len(list(study.runs.glob("*/result.json"))) == trials - 1)  # type: ignore[misc]
        (study.root / LATE).touch()
        wait_until_ended([stopped])
        driver.join(LONGEST_SECONDS)
        assert driver.exitcode == 0
        (study.root / LATE).unlink()
    record = json_of(study, "status", "zombie")
    check_study(study, record, 3 * stops)
    assert sum(trial["attempts"] - 1 for trial in record["trials"]) == stops


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)]
)
def test_an_interrupted_search_ends_soon_and_continues(study: Workspace, number: signal.Signals, code: int) -> None:
    command = ("search", "lenet", "--trials", "6", *SMALL, "--study", "cut")
    moment = time.time()
    process = started(study, *command)
    wait_until(lambda: trainings_since(study, moment) > 0)
    process.send_signal(number)
    _, errors = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == code, errors.decode()
    assert not processes_in(study)
    status = json_of(study, "status", "cut")
    assert status["state"] == "interrupted" and status["counted"] < 6
    assert json_of(study, *command, "--quiet")["counted"] == 6
