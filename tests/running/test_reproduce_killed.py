"""Workers that are killed and drivers that are interrupted while networks are reproduced."""

import dataclasses
import os
import signal
import threading

import psutil
import pytest
from held import hold, release
from processes import LONGEST_SECONDS, fresh_processes, wait_until, wait_until_ended, workers_of
from small_plans import manifest_of, smoke_plan, statuses

from pipeline.evidence.store import RunStore
from pipeline.process import run_and_exit
from pipeline.reporting.rebuild import rebuild_mlflow
from pipeline.running.campaign import run_plan
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.plans import RunPlan
from pipeline.running.requests import planned_requests
from pipeline.workspace import Workspace


def test_a_killed_worker_costs_its_attempt_only(study: Workspace) -> None:
    plan = _longer(smoke_plan(study, seeds=(1, 2), checkpoint_seconds=0.0), epochs=3)
    requests = planned_requests(plan, manifest_of(study), "cpu")
    folders = [RunStore(study.runs).folder(request.spec.hash) for request in requests]
    killed: list[int] = []

    def kill_one_worker() -> None:
        wait_until(lambda: all(list(folder.path.glob("checkpoint-*.pt")) for folder in folders))
        worker = workers_of()[-1]
        worker.kill()
        killed.append(worker.pid)
        release(study.runs)

    hold(study.runs, 2)  # each waits, the checkpoint of its first epoch written
    killer = threading.Thread(target=kill_one_worker)
    options = RunnerOptions(workers=2, checkpoint_seconds=0.0)
    with open_runner(study, manifest_of(study), "cpu", Display("test", 2, quiet=True), options) as runner:
        for request in requests:
            runner.submit(request)
        killer.start()
        outcomes = list(runner.outcomes())
    killer.join()
    assert killed and [outcome.state for outcome in outcomes] == ["complete", "complete"]
    measurements = [folder.measurement() for folder in folders]
    assert sorted(measurement.attempts for measurement in measurements if measurement) == [1, 2]


def test_a_worker_killed_before_it_has_a_job_costs_an_attempt_only(study: Workspace) -> None:
    plan = _longer(smoke_plan(study, seeds=(1, 2)), epochs=2)
    display = Display("test", 2, quiet=True)
    with open_runner(study, manifest_of(study), "cpu", display, RunnerOptions(workers=2)) as runner:
        for request in planned_requests(plan, manifest_of(study), "cpu"):
            runner.submit(request)
        wait_until(lambda: len(workers_of()) == 2)
        workers_of()[0].kill()  # while it still loads PyTorch
        assert [outcome.state for outcome in runner.outcomes()] == ["complete", "complete"]


def _longer(plan: RunPlan, epochs: int) -> RunPlan:
    """The plan with one learning rate, and trainings long enough to be interrupted."""
    networks = (
        dataclasses.replace(network, rates=(0.02,), recipe={**network.recipe, "epochs": epochs})
        for network in plan.networks
    )
    return dataclasses.replace(plan, networks=tuple(networks))


def driver(workspace: Workspace) -> None:
    """Two trainings without end, in a process of its own."""
    os.environ["CONVSTUDY_HOME"] = str(workspace.root)
    plan = _longer(smoke_plan(workspace, seeds=(1, 2), checkpoint_seconds=0.0), epochs=1_000_000)
    run_and_exit(lambda: run_plan(workspace, plan, "test", workers=2))  # also where there is one core


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_an_interrupted_driver_leaves_no_orphan_and_tells_the_truth(
    number: signal.Signals, code: int, study: Workspace
) -> None:
    store = RunStore(study.runs)
    process = fresh_processes().Process(target=driver, args=(study,), daemon=False)
    process.start()
    try:
        assert process.pid is not None
        wait_until(lambda: sum(1 for folder in store if list(folder.path.glob("checkpoint-*.pt"))) == 2)
        wait_until(lambda: "RUNNING" in statuses(study))
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        os.kill(process.pid, number)
        if number != signal.SIGKILL:
            os.kill(process.pid, number)  # a second signal is harmless
        process.join(LONGEST_SECONDS)
        assert process.exitcode == code
    finally:
        process.kill()
        process.join()
    wait_until_ended(workers)
    if number == signal.SIGKILL:  # nothing can catch that; the next replay tells the truth
        rebuild_mlflow(study, print)
    assert set(statuses(study)) == {"KILLED"}
    assert all(folder.result() is None for folder in store)
