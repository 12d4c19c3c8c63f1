"""A search through an executor of another kind: threads, opened by name, that lose attempts for every reason."""

from collections import Counter
from pathlib import Path

import pytest
from conftest import make_study
from thread_executor import ThreadExecutor
from verbs import SMALL, refused

from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest
from pipeline.evidence.records import PassingReason
from pipeline.evidence.study_records import Budget, SearchPlan, StudyRecord
from pipeline.machine import DeviceKind
from pipeline.running.executors import EXECUTORS
from pipeline.running.jobs import Job, Lost
from pipeline.running.open_runner import RunnerOptions
from pipeline.search.plans import plan_search
from pipeline.search.searches import list_studies, search
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace

TRIALS = 6
LOSSES: dict[int, PassingReason] = {1: "worker ended unexpectedly", 3: "worker hung", 4: "out_of_memory"}
"""By the order in which runs are submitted: which of them loses its first attempt."""
HOPELESS = 2
"""The run that loses every attempt."""


def small_plan(manifest: Manifest) -> SearchPlan:
    recipe = Recipe(epochs=3, batch_size=64, train_images=256, validation_images=200, train_loss_images=100)
    limits = Limits(macs=1_000_000, latency_seconds=60)
    return plan_search(["lenet"], recipe, manifest, "cpu", sampler="random", limits=limits)


def searched(workspace: Workspace, manifest: Manifest, executor: str) -> StudyRecord:
    options = RunnerOptions(workers=2, keep_weights=True, mirrored=False, executor=executor)
    budget = Budget(trials=TRIALS)
    return search(workspace, manifest, small_plan(manifest), budget, name="study", options=options, quiet=True)


def test_a_search_whose_executor_loses_attempts_ends_with_exactly_its_budget(
    study: Workspace, manifest: Manifest, prepared_fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[ThreadExecutor] = []
    attempts: Counter[str] = Counter()

    def lose(job: Job) -> None:
        attempts[job.run] += 1
        order = list(attempts).index(job.run)
        if order == HOPELESS:
            raise Lost("worker ended unexpectedly")
        if attempts[job.run] == 1 and order in LOSSES:
            raise Lost(LOSSES[order])

    def open_threads(device: DeviceKind, workers: int | None) -> ThreadExecutor:
        assert device == "cpu" and workers == 2
        opened.append(ThreadExecutor(workers, lose))
        return opened[-1]

    monkeypatch.setitem(EXECUTORS, "threads", open_threads)
    record = searched(study, manifest, "threads")
    assert (record.state, record.counted) == ("complete", TRIALS)
    assert sorted(record.by_number) == list(range(TRIALS))
    hopeless, *lost_once = (list(attempts)[order] for order in (HOPELESS, *LOSSES))
    failed = {trial.run: (trial.reason, trial.attempts) for trial in record.trials if trial.state == "failed"}
    assert failed == {hopeless: ("worker ended unexpectedly", 3)}
    assert all(trial.attempts == 2 for trial in record.trials if trial.run in lost_once)
    (executor,) = opened
    assert executor.calls["pause"] == executor.calls["resume"] >= TRIALS  # each latency was timed alone
    assert executor.calls["submit"] == attempts.total() and executor.calls["close"] == 1

    processes = make_study(tmp_path / "processes", prepared_fashion_mnist, monkeypatch)
    undisturbed = searched(processes, manifest, "processes")
    first_errors = [
        {trial.run: trial.errors[0] for trial in found.trials if trial.rungs} for found in (record, undisturbed)
    ]
    assert first_errors[1].pop(hopeless) is not None and first_errors[0] == first_errors[1]


def test_an_unknown_executor_is_refused_before_a_study_is_made(study: Workspace) -> None:
    command = ("search", "lenet", *SMALL, "--trials", "1", "--executor", "slurm")
    assert refused(study, *command) == "unknown executor 'slurm': known: processes"
    assert list_studies(study, None) == []
