"""A driver interrupted, workers lost or hung, networks that diverge: the study still ends as it should."""

import itertools
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from driver_to_kill import BOUNDARIES, TRIALS, search_until_killed
from optuna.storages import RDBStorage
from processes import exit_codes, fresh_processes, wait_until
from table_search import TableExecutor, check_trials, record_of, run_table, searched, table_plan

from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.evidence.records import Result
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.files import write_json
from pipeline.process import Interrupted
from pipeline.running.jobs import Job, Lost
from pipeline.schema import to_json
from pipeline.search.studies import StoredStudy, Studies
from pipeline.training.history import Progress


class Cut(BaseException):
    """What an interrupted driver raises."""


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The driver is cut off at the n-th call, from now on, of any method by which it writes; [n] says which n."""
    left = [10**9]

    def cutting(method: str) -> None:
        original = getattr(StoredStudy, method)

        def cut(self: StoredStudy, *arguments: object, **named: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise Cut(f"before {method}")
            done = original(self, *arguments, **named)
            left[0] -= 1
            if left[0] == 0:
                raise Cut(f"after {method}")
            return done

        monkeypatch.setattr(StoredStudy, method, cut)

    for method in ("add", "update", "note", "note_exhausted", "note_measured"):
        cutting(method)
    yield left


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.soak)])
def test_a_driver_cut_off_at_any_of_its_writes_ends_with_the_same_study(
    tmp_path: Path, manifest: Manifest, cuts: list[int], step: int
) -> None:
    plan = table_plan(manifest, epochs=3)
    undisturbed, _ = searched(tmp_path / "whole", manifest, plan, 8)
    for index in itertools.count(1, step=step):
        executors = [TableExecutor(1)]
        cuts[0] = index
        try:
            trials, _ = searched(tmp_path / f"cut-{index}", manifest, plan, 8, executors[0])
            break  # the study ends before there is so late a write
        except Cut:
            cuts[0] = 10**9
            executors.append(TableExecutor(1))
            trials, _ = searched(tmp_path / f"cut-{index}", manifest, plan, 8, executors[1])
        check_trials(trials, plan, 8, executors)
        assert trials == undisturbed, f"cut at write {index}"
    assert index > 40


@pytest.mark.parametrize("counts", [(2,), pytest.param((1, 3, 5, 7), marks=pytest.mark.soak)])
def test_a_driver_killed_at_every_boundary_ends_with_the_same_study(
    tmp_path: Path, manifest: Manifest, prepared_fashion_mnist: Path, counts: tuple[int, ...]
) -> None:
    """SIGKILL, one after the other at each boundary, on one study."""
    plan = table_plan(manifest, epochs=3)
    undisturbed, _ = searched(tmp_path / "whole", manifest, plan, TRIALS)
    root = tmp_path / "killed"
    killed = Counter[str]()
    for count in counts:
        for boundary in BOUNDARIES:
            driver = (prepared_fashion_mnist, root, boundary, count)
            (code,) = exit_codes(fresh_processes().Process(target=search_until_killed, args=driver))
            killed[boundary] += code == -signal.SIGKILL
            assert code in (0, -signal.SIGKILL)
    trials, _ = searched(root, manifest, plan, TRIALS)
    check_trials(trials, plan, TRIALS, [])
    assert trials == undisturbed
    assert len(+killed) >= 9, killed


def test_a_driver_cut_off_again_and_again_reaches_its_budget_exactly(
    tmp_path: Path, manifest: Manifest, cuts: list[int]
) -> None:
    plan = table_plan(manifest, sampler="random")
    executors: list[TableExecutor] = []
    for attempt in range(200):
        cuts[0] = 5 + 7 * attempt % 23
        executors.append(TableExecutor(2, seconds=0.005))
        try:
            trials, _ = searched(tmp_path, manifest, plan, 20, executors[-1])
            break
        except Cut:
            continue
    assert attempt > 5
    check_trials(trials, plan, 20, executors)


def test_a_lost_worker_costs_its_attempt_only_and_then_the_trial(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False, sampler="random")
    losses: Counter[str] = Counter()

    def lose(job: Job) -> None:
        first = int(job.run[:2], 16)
        if losses[job.run] < (9 if first < 40 else 1 if first < 120 else 0):
            losses[job.run] += 1
            raise Lost("out_of_memory" if first % 2 else "worker ended unexpectedly")

    trials, _ = searched(tmp_path, manifest, plan, 20, TableExecutor(2, lose))
    assert [trial.number for trial in trials] == list(range(20))
    for trial in trials:
        first = int(trial.run[:2], 16)
        assert trial.state == ("failed" if first < 40 else "complete")
        halvings = 5 if first % 2 else 0  # where memory is short, batches of 64 images are halved down to 2
        assert trial.attempts == (3 + halvings if first < 40 else 2 if first < 120 else 1)
        if trial.state == "failed":
            assert trial.reason == ("out_of_memory" if first % 2 else "worker ended unexpectedly")
            assert trial.epochs_seen == 0
    assert {"failed", "complete"} == {trial.state for trial in trials}


def test_a_trial_lost_at_a_later_rung_has_seen_what_it_had_and_one_that_comes_after_all_tells_no_reason(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = table_plan(manifest, sampler="random")

    def lose(job: Job) -> None:
        if job.until != 1:
            raise Lost("worker ended unexpectedly")

    writes = RDBStorage._set_trial_attr_without_commit
    lost_ones: list[int] = []

    def cut(self: RDBStorage, session: Any, model: Any, trial_id: int, key: str, value: Any) -> None:
        writes(self, session, model, trial_id, key, value)
        if key == "reason" and value == "worker ended unexpectedly":
            lost_ones.append(trial_id)
            raise Cut("between the writes of a lost trial's end")

    monkeypatch.setattr(RDBStorage, "_set_trial_attr_without_commit", cut)
    with pytest.raises(Cut):
        searched(tmp_path, manifest, plan, 9, TableExecutor(1, lose))
    monkeypatch.setattr(RDBStorage, "_set_trial_attr_without_commit", writes)
    studies = Studies(f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "locks")
    stored = studies.open("study")
    (lost,) = [trial for trial in stored.trials() if [stored._ids[trial.number]] == lost_ones]
    studies.close()
    assert lost.reason is None and lost.state is None  # nothing of the cut transaction was stored
    assert lost.epochs_seen == lost.rungs[-1].epochs == 1
    trials, _ = searched(tmp_path, manifest, plan, 9, TableExecutor(1))
    assert trials[lost.number].state != "failed" and {trial.reason for trial in trials} == {None}


@pytest.mark.parametrize("after_training", [False, True])
def test_a_hung_worker_is_given_up_and_its_late_result_is_not_counted(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, after_training: bool
) -> None:
    """By a clock that goes on when a worker hangs; its result comes while the run is trained again."""
    plan = table_plan(manifest, halving=False, sampler="random")
    looks, clock = [0], [0.0]
    again = threading.Event()
    hung: list[str] = []

    def monotonic() -> float:
        looks[0] += 1
        return clock[0]

    monkeypatch.setattr("pipeline.running.runner.time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr("pipeline.running.runner.WATCH_SECONDS", 0.01)

    def wait_until_seen() -> None:
        """The runner looks at its clock for each of two workers, and when it begins a run."""
        before = looks[0]
        wait_until(lambda: looks[0] > before + 20)

    def hang(job: Job) -> None:
        if job.run in hung:
            again.set()
            wait_until(lambda: RunStore(job.store).folder(job.run).result() is not None)
        elif not hung:
            hung.append(job.run)
            if after_training:  # it was seen to train, and then its progress was removed
                folder = RunStore(job.store).folder(job.run)
                write_json(folder.progress, to_json(Progress(9, 9, 10, 10, 1000.0, ())))
                wait_until_seen()
                folder.progress.unlink()
                wait_until_seen()
            clock[0] += 1e6
            again.wait()

    executor = TableExecutor(2, hang)
    studies = run_table(tmp_path, manifest, plan, 6, executor, stall_seconds=1e5)
    assert executor.calls["cancel"] >= 1
    trials = studies.open("study").trials()
    studies.close()
    assert [trial.state for trial in trials] == ["complete"] * 6
    assert next(trial for trial in trials if trial.run in hung).attempts == 2
    assert sorted(t.counted_at or 0 for t in trials) == [1, 2, 3, 4, 5, 6]
    assert [run for run, _, _ in executor.trained].count(*hung) == 2  # both times


def test_a_network_that_diverges_is_a_failed_trial_and_is_not_tried_again(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = RunFolder.write

    def diverging(folder: RunFolder, record: object) -> None:
        if isinstance(record, Result) and int(record.run[:2], 16) < 80:
            record = Result(record.schema, record.run, "failed", "diverged: loss is nan", record.history[:1], None)
        original(folder, record)  # type: ignore[arg-type]

    monkeypatch.setattr(RunFolder, "write", diverging)
    plan = table_plan(manifest, sampler="tpe")
    trials, _ = searched(tmp_path, manifest, plan, 20)
    failed = [trial for trial in trials if trial.state == "failed"]
    assert failed and all(trial.reason == "diverged: loss is nan" and trial.attempts == 1 for trial in failed)
    assert [trial.number for trial in trials] == list(range(20))
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'studies.db'}")
    stored = optuna.load_study(study_name="study", storage=storage).trials
    storage.engine.dispose()
    names = {"complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
    assert [trial.state.name for trial in stored] == [names[str(trial.state)] for trial in trials]
    assert all(trial.values is None or trial.values[0] < 100 for trial in stored)
    assert not {trial.number for trial in failed} & set(record_of(tmp_path).front)


def test_interrupts_are_not_mistaken_for_failed_trials(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False)

    def interrupt(job: Job) -> None:
        raise Interrupted(2)

    with pytest.raises(BaseException) as raised:
        searched(tmp_path, manifest, plan, 5, TableExecutor(1, interrupt))
    assert not isinstance(raised.value, UsageError)
    trials, _ = searched(tmp_path, manifest, plan, 5)
    assert [trial.state for trial in trials] == ["complete"] * 5
