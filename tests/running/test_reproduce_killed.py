"""Workers that are killed and drivers that are interrupted while networks are reproduced."""

import dataclasses
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from processes import LONGEST_SECONDS, wait_until, wait_until_ended, workers_of
from small_plans import manifest_of, smoke_plan, statuses

from pipeline.evidence.store import RunStore
from pipeline.reporting.rebuild import rebuild_mlflow
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.plans import RunPlan
from pipeline.running.requests import planned_requests
from pipeline.workspace import Workspace


def test_a_killed_worker_costs_its_attempt_only(study: Workspace) -> None:
    plan = _longer(smoke_plan(study, seeds=(1, 2), checkpoint_seconds=0.0), epochs=60)
    requests = planned_requests(plan, manifest_of(study), "cpu")
    folders = [RunStore(study.runs).folder(request.spec.hash) for request in requests]
    killed: list[int] = []

    def kill_one_worker() -> None:
        wait_until(lambda: all(list(folder.path.glob("checkpoint-*.pt")) for folder in folders))
        worker = workers_of()[-1]
        worker.kill()
        killed.append(worker.pid)

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


DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
import dataclasses
from pipeline.process import run_and_exit
from pipeline.running.campaign import run_plan
from pipeline.workspace import current_workspace
from small_plans import smoke_plan

def main():
    plan = smoke_plan(current_workspace(), seeds=(1, 2), checkpoint_seconds=0.0)
    networks = tuple(
        dataclasses.replace(n, rates=(0.02,), recipe={**n.recipe, "epochs": 4000}) for n in plan.networks
    )
    run_plan(current_workspace(), dataclasses.replace(plan, networks=networks), "test")

if __name__ == "__main__":
    run_and_exit(main)
"""


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
    script = study.root / "driver.py"
    script.write_text(DRIVER)
    store = RunStore(study.runs)
    with _driver(script) as process:
        wait_until(lambda: sum(1 for folder in store if list(folder.path.glob("checkpoint-*.pt"))) == 2)
        wait_until(lambda: "RUNNING" in statuses(study))
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        process.send_signal(number)
        if number != signal.SIGKILL:
            process.send_signal(number)  # a second signal is harmless
        assert process.wait(timeout=LONGEST_SECONDS) == code
    wait_until_ended(workers)  # long before the end of their trainings: no result is there
    if number == signal.SIGKILL:  # nothing can catch that; the next replay tells the truth
        rebuild_mlflow(study, print)
    assert set(statuses(study)) == {"KILLED"}
    assert all(folder.result() is None for folder in store)


@contextmanager
def _driver(script: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver in a process of its own, which does not outlive its test."""
    command = [sys.executable, str(script), str(Path(__file__).parent)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()
