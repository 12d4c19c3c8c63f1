"""A search through an executor of another kind: threads, opened by name, that lose attempts for every reason."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import make_study
from thread_executor import ThreadExecutor
from verbs import SMALL, called, refused

from pipeline.errors import RunsFailedError
from pipeline.evidence.records import PassingReason
from pipeline.evidence.study_records import StudyRecord
from pipeline.machine import DeviceKind
from pipeline.running.executors import EXECUTORS
from pipeline.running.jobs import Job, Lost
from pipeline.schema import parse
from pipeline.workspace import Workspace

TRIALS = 6
SEARCH = ("search", "lenet", *SMALL, "--max-latency", "60s", "--sampler", "random", "--profile", "smoke", "--quiet",
          "--study", "study", "--trials", f"{TRIALS}", "--workers", "2", "--executor")  # fmt: skip
LOSSES: dict[int, PassingReason] = {1: "worker ended unexpectedly", 3: "worker hung", 4: "out_of_memory"}
"""By the order in which runs are begun: which of them loses its first attempt."""
HOPELESS = 2
"""The run that loses every attempt."""


def read(workspace: Workspace) -> StudyRecord:
    return parse(StudyRecord, json.loads(called(workspace, "status", "study", "--json", "-")), "study")


def test_a_search_whose_executor_loses_attempts_ends_with_exactly_its_budget(
    study: Workspace, prepared_fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        assert workers == 2
        opened.append(ThreadExecutor(workers, lose))
        return opened[-1]

    monkeypatch.setitem(EXECUTORS, "threads", open_threads)
    with pytest.raises(RunsFailedError, match=f"1 of {TRIALS} trials were lost: worker ended unexpectedly"):
        called(study, *SEARCH, "threads")
    record = read(study)
    assert (record.state, record.counted) == ("complete", TRIALS)
    assert sorted(record.by_number) == list(range(TRIALS))
    hopeless, *lost_once = (list(attempts)[order] for order in (HOPELESS, *LOSSES))
    failed = {trial.run: (trial.reason, trial.attempts) for trial in record.trials if trial.state == "failed"}
    assert failed == {hopeless: ("worker ended unexpectedly", 3)}
    assert all(trial.attempts == 2 for trial in record.trials if trial.run in lost_once)
    (executor,) = opened
    assert executor.calls["pause"] == executor.calls["resume"] >= TRIALS  # each latency was timed alone
    assert executor.calls["submit"] == attempts.total() and executor.calls["close"] == 1

    undisturbed = make_study(tmp_path / "processes", prepared_fashion_mnist, monkeypatch)
    called(undisturbed, *SEARCH, "processes")
    first_errors = [
        {trial.run: trial.errors[0] for trial in found.trials if trial.rungs} for found in (record, read(undisturbed))
    ]
    assert first_errors[1].pop(hopeless) is not None and first_errors[0] == first_errors[1]


def test_an_unknown_executor_is_refused_before_a_study_is_made(study: Workspace) -> None:
    assert refused(study, *SEARCH, "slurm") == f"unknown executor 'slurm': known: {', '.join(sorted(EXECUTORS))}"
    assert json.loads(called(study, "studies", "--json", "-")) == []
