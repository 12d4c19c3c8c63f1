"""Searches whose trainings are looked up in a table: a formula gives each network its learning curve, in milliseconds.

The rest is real: run store, Optuna's storage, driver, runner, display. Workers are threads that write a run's records
as a worker process would.
"""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from thread_executor import ThreadExecutor

import search_spaces
from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest
from pipeline.evidence.records import Epoch, Measurement, Result
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.evidence.study_records import Budget, SearchPlan, StudyRecord, Trial
from pipeline.files import canonical_json, sha256_text
from pipeline.machine import hardware
from pipeline.running.display import Display
from pipeline.running.jobs import Job
from pipeline.running.runner import Runner
from pipeline.search.driver import Driver
from pipeline.search.gate import MeasuredCosts, over
from pipeline.search.plans import plan_search
from pipeline.search.searches import read_study
from pipeline.search.studies import Studies
from pipeline.tracking.mirror import Mirror
from pipeline.training.recipe import Recipe


def table_plan(manifest: Manifest, *parts: str, epochs: int = 9, **options: object) -> SearchPlan:
    """A plan of small trainings, limited to 5 MMACs unless told otherwise."""
    options = {"limits": Limits(macs=5_000_000), **options}
    recipe = Recipe(epochs=epochs, batch_size=64, train_images=640)
    return plan_search(parts or ("resnet",), recipe, manifest, "cpu", **options)  # type: ignore[arg-type]


def error_of(config: dict[str, object], epoch: int, epochs: int) -> float:
    """A made-up error in percent: falls with cost and epochs, with noise that belongs to the network and epoch."""
    family = search_spaces.family(str(config["family"]))
    parsed = family.config(**_tuples(config["config"]))
    macs: int = search_spaces.price(family, parsed, 28).macs
    noise = int(sha256_text(f"{canonical_json(config)} {epoch}")[:6], 16) / 16**6
    return 40 / math.sqrt(1 + macs / 1e6) + 30 * (epochs - epoch) / epochs + 3 * noise


class TableExecutor(ThreadExecutor):
    """Looks each training up, after up to some `seconds`."""

    def __init__(self, workers: int, before: Callable[[Job], object] = lambda job: None, seconds: float = 0.0) -> None:
        super().__init__(workers, before)
        self.seconds = seconds
        self.trained: list[tuple[str, int, int]] = []
        """(run, epochs before, epochs after) of every training, in the order of their ends."""
        self._random = random.Random(0)
        self._lock = threading.Lock()

    def work(self, job: Job) -> None:
        if self.seconds:
            time.sleep(self._random.random() * self.seconds)
        folder = RunStore(job.store).folder(job.run)
        earlier = folder.result()
        done = len(earlier.history) if earlier else 0
        write_curve(folder, job.until)
        result = folder.result()
        assert result is not None
        with self._lock:
            self.trained.append((job.run, done, len(result.history)))


def write_curve(folder: RunFolder, until: int | None) -> None:
    """Write a run's records as if it had been trained up to `until`."""
    header = folder.header()
    assert header is not None
    spec = header.spec
    epochs = spec.recipe.epochs
    config: dict[str, object] = {"family": spec.family, "config": spec.config}
    last = until or epochs
    history = tuple(Epoch(e, 1.0, 1.0, error_of(config, e, epochs), 0.1, 1.0) for e in range(1, last + 1))
    complete = last == epochs
    state = "complete" if complete else "stopped"
    folder.write(
        Measurement(
            "measurement/1", header.run, (1000.0,) * last, float(last), 0.1, 1.0, 1, "resident set", 1, 1,
            "2026-01-01T00:00:00+00:00", hardware("cpu"), {},
        )
    )  # fmt: skip
    folder.write(Result("result/1", header.run, state, None, history, "0" * 64 if complete else None))  # type: ignore[arg-type]


def run_table(
    root: Path,
    manifest: Manifest,
    plan: SearchPlan,
    budget: int | Budget,
    executor: TableExecutor,
    url: str | None = None,
    name: str = "study",
    stall_seconds: float = 600.0,
    retries: int = 2,
    measure: MeasuredCosts = lambda design: {},
) -> Studies:
    """Search to a number of trials, or to a budget; returns the studies of the storage, to be read and closed."""
    budget = Budget(trials=budget) if isinstance(budget, int) else budget
    studies = Studies(url or f"sqlite:///{root / 'studies.db'}", root / "locks")
    study = studies.open(name) if name in studies.names() else studies.create(name, plan)
    runner = Runner(
        RunStore(root / "runs"),
        root,
        manifest,
        executor,
        lambda: Mirror.off(root / "mlruns"),
        Display("table", 0, quiet=True),
        stall_seconds=stall_seconds,
        retries=retries,
    )
    with study.driven(), runner:
        Driver(study, budget, runner, executor.capacity, measure).run()
    return studies


def searched(
    root: Path, manifest: Manifest, plan: SearchPlan, trials: int, executor: TableExecutor | None = None
) -> tuple[list[Trial], TableExecutor]:
    """Search to a number of trials; returns all trials of the study, and what trained them."""
    executor = executor or TableExecutor(1)
    studies = run_table(root, manifest, plan, trials, executor)
    try:
        return studies.open("study").trials(), executor
    finally:
        studies.close()


def record_of(root: Path) -> StudyRecord:
    """The record of the study that was searched in a folder."""
    studies = Studies(f"sqlite:///{root / 'studies.db'}", root / "locks")
    try:
        return read_study(studies.open("study"), RunStore(root / "runs"))
    finally:
        studies.close()


def check_trials(trials: list[Trial], plan: SearchPlan, count: int, executors: list[TableExecutor]) -> None:
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


def _tuples(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return {key: _tuple(inner) for key, inner in value.items()}


def _tuple(value: object) -> object:
    return tuple(_tuple(inner) for inner in value) if isinstance(value, list) else value
