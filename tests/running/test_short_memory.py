"""Recipe 5 of reliability, in runs: memory runs out, the run goes on in parts, and wherever it is told that is told."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import CHECKOUT
from memory import short_of_memory
from processes import wait_until
from small_plans import manifest_of, smoke_plan
from thread_executor import ThreadExecutor
from torch import nn

import search_spaces
from pipeline.data.manifest import load_manifest
from pipeline.evidence.records import GroupRecord, PassingReason, RunSpec
from pipeline.evidence.statistics import IN_MICRO_BATCHES
from pipeline.evidence.store import RunStore
from pipeline.running.campaign import run_plan
from pipeline.running.display import Display
from pipeline.running.inputs import build_network
from pipeline.running.jobs import Job, Lost
from pipeline.running.plans import RunPlan
from pipeline.running.reproduce import reproduce
from pipeline.running.runner import Runner
from pipeline.schema import to_json
from pipeline.tracking.content import run_ending
from pipeline.tracking.mirror import Mirror
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace


@contextmanager
def little_memory(monkeypatch: pytest.MonkeyPatch, fits: int) -> Iterator[None]:
    """Every network fails at a pass of more than so many images."""

    def build(spec: RunSpec, device: str = "cpu") -> nn.Module:
        model = build_network(spec, device)
        short_of_memory(model, fits)
        return model

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.running.jobs.build_network", build)
        patched.setattr("pipeline.running.scores.build_network", build)
        yield


def reproduce_here(workspace: Workspace, plan: RunPlan) -> GroupRecord:
    """What a plan gives where no attempt is made twice but with smaller batches."""
    manifest, display = manifest_of(workspace), Display("test", 0, quiet=True)
    store, data = RunStore(workspace.runs), workspace.prepared_data / manifest.name
    executor = ThreadExecutor(1)
    with Runner(store, data, manifest, executor, lambda: Mirror.off(workspace.mlflow), display, retries=0) as runner:
        return reproduce(plan, manifest, runner, "cpu")


def test_runs_go_on_in_parts_that_fit_and_are_told_of(study: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = smoke_plan(study, seeds=(1,), keep_weights=False)
    with little_memory(monkeypatch, 64):  # 500 images are evaluated at once, 32 are a batch
        (network,) = reproduce_here(study, plan).networks
    assert f"3 of 3 {IN_MICRO_BATCHES}, for want of memory" in network.flags
    assert [trial.micro_batches for trial in network.rates] == [8, 8]
    (run,) = network.runs
    assert run.state == "complete" and run.test_error_percent is not None
    assert run.measurement is not None and run.measurement.micro_batches == 8
    folder = RunStore(study.runs).folder(run.run)
    result = folder.result()
    assert result is not None and folder.micro_batches == 1
    assert run_ending(result, run.measurement, None, 0).tags["convstudy.micro_batches"] == "8"
    (folder.path / "test.json").unlink()  # memory is there again: trained for its test, it gives other weights
    (again,) = run_plan(study, plan, "test", quiet=True).networks
    whole = folder.result()
    assert whole is not None and whole.weights_sha256 != result.weights_sha256
    assert f"2 of 3 {IN_MICRO_BATCHES}, for want of memory" in again.flags


def test_where_no_part_fits_the_runs_are_lost_and_the_others_go_on(
    study: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = smoke_plan(study, "lenet-small", "resnet-small", seeds=(1,))
    with little_memory(monkeypatch, 0):
        record = reproduce_here(study, plan)
    assert set(record.lost) == {"out_of_memory"} and len(record.networks) == 2
    assert all(folder.result() is None and folder.micro_batches == 1 for folder in RunStore(study.runs))


@pytest.mark.soak
def test_a_process_whose_memory_runs_out_is_followed_by_one_that_gets_further(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    family, reference = search_spaces.reference("resnet-small")
    recipe = Recipe(epochs=2, batch_size=512, train_images=1024, validation_images=500, precision="float32")
    recipe = replace(recipe, train_loss_images=500, learning_rate=0.01, resolution=28)
    data = load_manifest(prepared_fashion_mnist).fingerprint
    spec = RunSpec(family.name, to_json(reference.config), 1, 10, 28, recipe, data, seed=1)
    folder = RunStore(tmp_path).register(spec, "resnet-small", "fashion-mnist")
    script = Path(__file__).with_name("job_short_of_memory.py")
    command = [sys.executable, str(script), str(tmp_path), folder.run, str(prepared_fashion_mnist), "150"]
    ends: list[int] = []
    parts: list[int] = []
    while len(ends) < 10 and (not ends or ends[-1] == errno.ENOMEM):
        ends.append(subprocess.run(command, cwd=CHECKOUT, env={"PYTHONPATH": "."}, check=False).returncode)
        parts.append(folder.micro_batches)
    assert ends == [errno.ENOMEM] * (len(ends) - 1) + [0] and len(ends) > 1
    assert parts[:-1] == [2**index for index in range(1, len(ends))] and parts[-1] == 1
    measurement = folder.measurement()
    assert measurement is not None and measurement.micro_batches > 1 and folder.test_score() is not None


@pytest.mark.parametrize(("reason", "parts"), [("out_of_memory", 2), ("worker ended unexpectedly", 1)])
def test_only_a_worker_that_the_system_kills_for_memory_twice_gets_smaller_batches(
    reason: PassingReason, parts: int, study: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def kill(job: Job) -> None:
        seen.append(RunStore(job.store).folder(job.run).micro_batches)
        if len(seen) <= 2:
            raise Lost(reason)

    manifest, plan = manifest_of(study), smoke_plan(study, seeds=(1,), keep_weights=False)
    plan = replace(plan, networks=tuple(replace(network, rates=network.rates[:1]) for network in plan.networks))
    display = Display("test", 0, quiet=True)
    lines: list[str] = []
    monkeypatch.setattr(display, "line", lines.append)
    store, data = RunStore(study.runs), study.prepared_data / manifest.name
    with Runner(store, data, manifest, ThreadExecutor(1, kill), lambda: Mirror.off(study.mlflow), display) as runner:
        (network,) = reproduce(plan, manifest, runner, "cpu").networks
    attempts = [line for line in lines if "going on" in line]
    assert seen == [1, 1, parts] and len(attempts) == 2 and all(reason in line for line in attempts)
    assert network.runs[0].measurement is not None and network.runs[0].measurement.micro_batches == parts


@pytest.mark.soak
def test_workers_that_the_system_really_kills_for_memory_get_smaller_batches(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    own = next((line for line in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line), None)
    group = Path(f"/sys/fs/cgroup/memory{own.split(':')[2]}/convstudy-{os.getpid()}") if own else Path("/nowhere")
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no memory cgroup of version 1 that may be made here")
    try:
        script = Path(__file__).with_name("driver_short_of_memory.py")
        command = [sys.executable, str(script), str(tmp_path), str(prepared_fashion_mnist), str(group), "1800"]
        environment = {**os.environ, "PYTHONPATH": "."}
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
    state, _, _, parts, *_ = done.stdout.splitlines()[-1].split()
    assert state == "complete" and int(parts) > 1
