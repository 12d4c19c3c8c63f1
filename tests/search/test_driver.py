"""The driver of a search: exact budgets, limits, duplicates, continuation, whatever is interrupted, and when."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import optuna
import pytest
from pebble import ProcessExpired
from table_search import TableExecutor, run_table, table_plan

import search_spaces
from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import StorageError, UsageError
from pipeline.evidence.records import Result
from pipeline.evidence.store import RunFolder
from pipeline.evidence.study_records import SAMPLERS, SearchPlan, Trial
from pipeline.files import canonical_json
from pipeline.process import Interrupted
from pipeline.search.candidates import Candidates
from pipeline.search.gate import described, over
from pipeline.search.jobs import Job
from pipeline.search.samplers import STARTUP
from pipeline.search.search_plans import AUTO, differences
from pipeline.search.searches import read_study
from pipeline.search.studies import StoredStudy, Studies


@pytest.fixture
def manifest(prepared_fashion_mnist: Path) -> Manifest:
    return load_manifest(prepared_fashion_mnist)


def searched(
    root: Path, manifest: Manifest, plan: SearchPlan, trials: int, executor: TableExecutor | None = None
) -> tuple[list[Trial], TableExecutor]:
    executor = executor or TableExecutor(1)
    studies = run_table(root, manifest, plan, trials, executor)
    try:
        return studies.open("study").trials(), executor
    finally:
        studies.close()


def check(trials: list[Trial], plan: SearchPlan, count: int, executors: list[TableExecutor]) -> None:
    """Everything that holds of a study that has reached its budget."""
    assert [trial.number for trial in trials] == list(range(count))
    assert sorted(t.counted_at for t in trials if t.counted_at) == list(range(1, count + 1))
    assert all(trial.state is not None for trial in trials), "a trial was left RUNNING"
    assert len({canonical_json(trial.config) for trial in trials}) == count, "a network was drawn twice"
    assert not any(over(trial.costs, plan) for trial in trials)
    arrivals = [rung.arrival for trial in trials for rung in trial.rungs]
    assert sorted(arrivals) == list(range(1, len(arrivals) + 1))
    for trial in trials:
        assert [rung.epochs for rung in trial.rungs] == list(plan.rungs[: len(trial.rungs)])
        assert (trial.state == "complete") == (len(trial.rungs) == len(plan.rungs))
    trained = Counter((run, after) for executor in executors for run, _, after in executor.trained)
    assert set(trained.values()) <= {1}, "something was trained twice"


@pytest.mark.parametrize(("count", "repeats"), [(20, 1), pytest.param(40, 20, marks=pytest.mark.soak)])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("halving", [False, True])
def test_the_budget_is_exact_with_any_number_of_workers(
    tmp_path: Path, manifest: Manifest, workers: int, halving: bool, count: int, repeats: int
) -> None:
    plan = table_plan(manifest, halving=halving, sampler="random")
    for repeat in range(repeats):
        trials, executor = searched(tmp_path / f"{repeat}", manifest, plan, count, TableExecutor(workers, seconds=0.01))
        check(trials, plan, count, [executor])
        if halving:
            assert {"complete", "stopped"} == {trial.state for trial in trials}
            assert sum(after - before for _, before, after in executor.trained) < count * 9 / 2


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest)
    first, second = (searched(tmp_path / part, manifest, plan, 20)[0] for part in ("a", "b"))
    assert first == second
    other, _ = searched(tmp_path / "c", manifest, table_plan(manifest, seed=1), 20)
    assert [trial.config for trial in other] != [trial.config for trial in first]


def test_more_trials_later_are_those_of_one_go_when_all_train_in_full(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False)
    searched(tmp_path / "two", manifest, plan, 12)
    again, executor = searched(tmp_path / "two", manifest, plan, 20)
    assert len(executor.trained) == 8
    assert again == searched(tmp_path / "one", manifest, plan, 20)[0]
    fewer, executor = searched(tmp_path / "two", manifest, plan, 5)
    assert fewer == again and not executor.trained


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

    for method in ("add", "update", "note", "note_exhausted"):
        cutting(method)
    yield left


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.soak)])
def test_a_driver_cut_off_at_any_of_its_writes_ends_with_the_same_study(
    tmp_path: Path, manifest: Manifest, cuts: list[int], step: int
) -> None:
    plan = table_plan(manifest, epochs=3)
    undisturbed, _ = searched(tmp_path / "whole", manifest, plan, 8)
    for place in itertools.count(1, step=step):
        executors = [TableExecutor(1)]
        cuts[0] = place
        try:
            trials, _ = searched(tmp_path / f"cut-{place}", manifest, plan, 8, executors[0])
            break  # the study ends before there is so late a write
        except Cut:
            cuts[0] = 10**9
            executors.append(TableExecutor(1))
            trials, _ = searched(tmp_path / f"cut-{place}", manifest, plan, 8, executors[1])
        check(trials, plan, 8, executors)
        assert trials == undisturbed, f"cut at write {place}"
    assert place > 40


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
    check(trials, plan, 20, executors)


def test_a_lost_worker_costs_its_attempt_only_and_then_the_trial(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False, sampler="random")
    losses: Counter[str] = Counter()

    def lose(job: Job) -> None:
        first = int(job.run[:2], 16)
        if losses[job.run] < (9 if first < 40 else 1 if first < 120 else 0):
            losses[job.run] += 1
            raise MemoryError("no more") if first % 2 else ProcessExpired("killed")  # type: ignore[no-untyped-call]

    trials, _ = searched(tmp_path, manifest, plan, 20, TableExecutor(2, lose))
    assert [trial.number for trial in trials] == list(range(20))
    for trial in trials:
        first = int(trial.run[:2], 16)
        assert trial.state == ("failed" if first < 40 else "complete")
        assert trial.attempts == (3 if first < 40 else 2 if first < 120 else 1)
        if trial.state == "failed":
            assert trial.reason == ("out_of_memory" if first % 2 else "worker ended unexpectedly")
    assert {"failed", "complete"} == {trial.state for trial in trials}


class CancellableFuture(Future[None]):
    """A future that can be cancelled while it runs."""

    def cancel(self) -> bool:
        with self._condition:
            self._state = "CANCELLED_AND_NOTIFIED"
            self._condition.notify_all()
            for waiter in self._waiters:
                waiter.add_cancelled(self)
        return True


class HangingExecutor(TableExecutor):
    """Its jobs can be cancelled while they run, as pebble's can; the thread goes on and ends late."""

    def submit(self, job: Job) -> "CancellableFuture":
        future = CancellableFuture()
        future.set_running_or_notify_cancel()

        def run() -> None:
            self._train(job)
            if not future.cancelled():
                future.set_result(None)

        threading.Thread(target=run, daemon=True).start()
        return future


def test_a_hung_worker_is_given_up_and_its_late_result_is_not_counted(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False, sampler="random")
    release, hung = threading.Event(), list[str]()

    def hang(job: Job) -> None:
        if not hung:
            hung.append(job.run)
            release.wait(30)

    executor = HangingExecutor(2, hang)
    threading.Timer(3.0, release.set).start()
    studies = run_table(tmp_path, manifest, plan, 6, executor, stall_seconds=0.5)
    trials = studies.open("study").trials()
    studies.close()
    assert [trial.state for trial in trials] == ["complete"] * 6
    assert next(trial for trial in trials if trial.run == hung[0]).attempts == 2
    assert sorted(t.counted_at or 0 for t in trials) == [1, 2, 3, 4, 5, 6]


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
    studies_front = read_front(tmp_path, manifest)
    assert not {trial.number for trial in failed} & set(studies_front)


def read_front(root: Path, manifest: Manifest) -> list[int]:
    studies = Studies(f"sqlite:///{root / 'studies.db'}", root / "locks")
    record = read_study(studies.open("study"))
    studies.close()
    front: list[int] = record["front"]
    return front


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "gp"])
def test_every_sampler_draws_new_networks_within_the_limits(tmp_path: Path, manifest: Manifest, sampler: str) -> None:
    plan = table_plan(manifest, "resnet", "lenet", sampler=sampler, limits=Limits(macs=2_000_000, params=50_000))
    trials, executor = searched(tmp_path, manifest, plan, 30)
    check(trials, plan, 30, [executor])
    uniform = [trial.number for trial in trials if trial.drawn_by == "random"]
    if sampler in ("tpe", "nsga2", "evolution"):  # uniform until there is something to learn from
        assert uniform[:STARTUP] == list(range(STARTUP)) and len(uniform) < 30
    else:
        assert sum(trial.drawn_by == sampler for trial in trials) > (20 if sampler != "qmc" else 5)
    assert sum(trial.refused for trial in trials) > 0


def test_a_space_with_too_few_networks_is_walked_to_its_end(tmp_path: Path, manifest: Manifest) -> None:
    space = search_spaces.space(["lenet"])

    def macs(design: search_spaces.Design) -> float:
        return search_spaces.price(design.family, design.config, 28).macs

    cheapest = sorted(macs(space.design(values)) for values in space.points())
    limit = int(cheapest[6])
    feasible = sum(cost <= limit for cost in cheapest)
    plan = table_plan(manifest, "lenet", limits=Limits(macs=limit), halving=False)
    trials, _ = searched(tmp_path, manifest, plan, feasible + 20)
    assert len(trials) == feasible
    studies = Studies(f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "locks")
    record = read_study(studies.open("study"))
    studies.close()
    assert record["state"] == "exhausted" and record["counted"] == feasible and record["refused"] > 1000


def test_limits_that_no_network_can_meet_are_refused_with_the_cheapest(manifest: Manifest) -> None:
    with pytest.raises(UsageError, match=r"within the limits \(macs 1k\); the cheapest has macs 323.3k, params"):
        table_plan(manifest, limits=Limits(macs=1000))


def test_of_a_thousand_candidates_none_is_over_a_limit(manifest: Manifest) -> None:
    plan = table_plan(
        manifest,
        "vgg",
        "resnet",
        "densenet",
        limits=Limits(macs=3_000_000, params=30_000, activations=60_000),
        sampler="random",
    )
    candidates = Candidates(plan, search_spaces.space(plan.space))
    for number in range(1000):
        candidate = candidates.next(number)
        assert candidate is not None
        candidates.know(candidate.config)
        family = search_spaces.family(candidate.config["family"])
        design = candidates.space.design(candidate.values)
        assert described(design) == candidate.config
        model = search_spaces.instantiate(family, design.config, 28, device="meta") if number % 50 == 0 else None
        price = search_spaces.price(family, design.config, 28)
        assert price.macs <= 3_000_000 and price.params <= 30_000 and price.activations <= 60_000
        assert model is None or sum(p.numel() for p in model.parameters()) == price.params


def test_a_plan_that_differs_is_told_field_by_field(manifest: Manifest) -> None:
    one = table_plan(manifest)
    other = table_plan(manifest, limits=Limits(macs=4_000_000), sampler="random")
    assert differences(one, other) == [
        "limits.macs: 5000000 in the study, 4000000 now",
        f"sampler: '{AUTO}' in the study, 'random' now",
    ]
    assert differences(one, one) == []


def test_a_second_driver_is_refused_and_told_who_holds_the_study(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest)
    studies = run_table(tmp_path, manifest, plan, 2, TableExecutor(1))
    study = studies.open("study")
    assert not study.is_driven()
    with study.driven():
        assert study.is_driven()
        with pytest.raises(StorageError, match="study study is already running in process"), study.driven():
            pass
    studies.close()


def test_interrupts_are_not_mistaken_for_failed_trials(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False)

    def interrupt(job: Job) -> None:
        raise Interrupted(2)

    with pytest.raises(BaseException) as raised:
        searched(tmp_path, manifest, plan, 5, TableExecutor(1, interrupt))
    assert not isinstance(raised.value, UsageError)
    trials, _ = searched(tmp_path, manifest, plan, 5)
    assert [trial.state for trial in trials] == ["complete"] * 5
