"""`convstudy bench-search`: compares ways to search on a population, without training.

Each arm searches the population's space several times with the real driver; a surrogate with realistic noise replaces
the trainings. Results are what a search would deliver: the expected errors of the networks that it selects by noisy
scores, against the training images seen. In each repeat, all arms see the same noise of a network.
"""

import datetime
import functools
import math
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import numpy as np
from pebble import ProcessPool
from pydantic.dataclasses import dataclass

from benchmarks.simulated import Answers, StudyInMemory
from benchmarks.surrogate import Surrogate
from pipeline.errors import UsageError
from pipeline.evidence.population import PopulationTable
from pipeline.evidence.study_records import Budget, Trial
from pipeline.files import sha256_file, write_json
from pipeline.machine import hardware, versions
from pipeline.running.halving import rungs
from pipeline.running.workers import prepare_workers
from pipeline.schema import STRICT, read_record, to_json
from pipeline.search.asha import to_promote, to_promote_unbounded
from pipeline.search.driver import Driver
from pipeline.search.pareto import front, hypervolume
from pipeline.search.plans import REDUCTION
from pipeline.search.sampler_view import SamplerView
from pipeline.search.summary import Bounds, bounds_of

BUDGETS = tuple(range(5, 46, 5))
"""Budgets, in full trainings of one network."""
MOST_OF_GP = {False: 20, True: 10}
"""Largest budget of the Gaussian process: halving -> trainings. After about 40 trials each draw takes seconds."""
OBJECTIVES: dict[str, tuple[str, ...]] = {"error and MACs": ("error", "macs"), "error alone": ("error",)}
FIRST_SEED = 100
"""Smaller seeds were used to develop the rule of `search_verdict`."""
ENOUGH = Budget(trials=100_000)
UNINFORMED = ", not told of stopped trials"
"""Suffix of arms in records; `label_of` gives the text for readers."""


@dataclass(frozen=True, config=STRICT)
class Arm:
    """One way to search; `informed`: the sampler also learns from stopped trials; `bounded`: see `asha`."""

    sampler: str
    halving: bool
    informed: bool = True
    bounded: bool = True

    @property
    def budgets(self) -> tuple[int, ...]:
        """The BUDGETS at which it is measured; the Gaussian process only at the first ones."""
        return tuple(budget for budget in BUDGETS if budget <= MOST_OF_GP[self.halving] or self.sampler != "gp")

    @property
    def name(self) -> str:
        """Its name in records."""
        name = f"{self.sampler}, {'halving' if self.halving else 'full'}"
        name += "" if self.informed else UNINFORMED
        return name if self.bounded else f"{name}, unbounded"


def label_of(name: str) -> str:
    """The name of an arm for readers, from its name in records."""
    name = name.replace(UNINFORMED, ", the sampler does not see stopped trials").replace(", full", ", full training")
    return name.replace(", unbounded", ", promotions without a limit")


@dataclass(frozen=True, config=STRICT)
class Course:
    """The results of one simulated search at each of its arm's budgets, and its number of trials.

    `error_percent` is None at budgets before the first network was trained in full.
    """

    hypervolume: tuple[float, ...]
    error_percent: tuple[float | None, ...]
    trials: int


@dataclass(frozen=True, config=STRICT)
class SearchComparison:
    """`search.json`: objectives -> name of the arm -> one course per repeat.

    `rank_correlation`: of the surrogate, cross-validated over the population's `networks`. `first_seed`: seed of the
    first repeat.
    """

    schema: Literal["search-comparison/1"]
    table_sha256: str
    budgets: tuple[int, ...]
    networks: int
    rank_correlation: float
    courses: dict[str, dict[str, tuple[Course, ...]]]
    hardware: dict[str, str]
    versions: dict[str, str]
    finished_at: str
    first_seed: int = 0


_Repeat = dict[str, dict[str, Course]]
"""The courses of one repeat: objectives -> name of the arm -> course."""


def compare_into(
    file: Path,
    table_file: Path,
    samplers: Sequence[str],
    repeats: int,
    workers: int,
    tell: Callable[[str], None],
) -> SearchComparison:
    """Compare, and write the record to `file`; other arms in the file are kept.

    Finished repeats are stored next to the file, so an interrupted comparison can resume. Raises UsageError before
    anything runs if the file holds a comparison with another table, other seeds or repeats: it may hold hours of work.
    """
    earlier = read_record(SearchComparison, file) if file.exists() else None
    if earlier is not None:
        held = {len(found) for courses in earlier.courses.values() for found in courses.values()}
        same = (earlier.table_sha256, earlier.budgets, earlier.first_seed) == (
            sha256_file(table_file),
            BUDGETS,
            FIRST_SEED,
        )
        if not same or held != {repeats}:
            raise UsageError(
                f"{file} holds a comparison with another table, other seeds or {', '.join(map(str, held))} repeats; "
                "move the file away, or use the same settings"
            )
    parts = file.with_suffix(".parts") / quote("-".join(samplers), safe="")
    comparison = compare(table_file, samplers, repeats, workers, tell, parts)
    if earlier is not None:
        merged = {o: earlier.courses[o] | courses for o, courses in comparison.courses.items()}
        comparison = replace(comparison, courses=merged)
    write_json(file, to_json(comparison))
    shutil.rmtree(parts)
    return comparison


def compare(
    table_file: Path,
    samplers: Sequence[str],
    repeats: int,
    workers: int,
    tell: Callable[[str], None],
    parts: Path,
) -> SearchComparison:
    """Simulate every arm in every repeat, with both sets of objectives.

    Stores each repeat in the folder `parts`, and reuses those found there for the same table.
    """
    prepare_workers()
    table = sha256_file(table_file)
    files = [parts / f"{table[:12]}-{FIRST_SEED + repeat}.json" for repeat in range(repeats)]
    jobs = [(table_file, tuple(samplers), repeat) for repeat in range(repeats) if not files[repeat].exists()]
    pool = ProcessPool(workers, initializer=_one_thread, context=get_context("spawn"))
    try:
        for job, found in zip(jobs, pool.map(_one_repeat, jobs).result(), strict=True):
            write_json(files[job[2]], to_json(found))
            tell(f"bench-search: {sum(file.exists() for file in files)}/{repeats} repeats")
    finally:  # after an interruption, do not wait for unfinished repeats
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()
    repeated = [read_record(_Repeat, file) for file in files]
    surrogate = _surrogate(table_file)
    return SearchComparison(
        schema="search-comparison/1",
        table_sha256=sha256_file(table_file),
        budgets=BUDGETS,
        networks=len(surrogate.table.networks),
        rank_correlation=surrogate.rank_correlation(),
        courses={
            objectives: {arm.name: tuple(found[objectives][arm.name] for found in repeated) for arm in arms(samplers)}
            for objectives in OBJECTIVES
        },
        hardware=hardware("cpu"),
        versions=versions(),
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        first_seed=FIRST_SEED,
    )


def _one_thread() -> None:
    """Several searches share few cores: more threads per search would only wait for each other."""
    import torch

    torch.set_num_threads(1)


def _one_repeat(job: tuple[Path, Sequence[str], int]) -> _Repeat:
    table_file, samplers, repeat = job
    surrogate = _surrogate(table_file)
    return {
        name: {arm.name: simulate(arm, surrogate, FIRST_SEED + repeat, objectives) for arm in arms(samplers)}
        for name, objectives in OBJECTIVES.items()
    }


@functools.cache
def _surrogate(table_file: Path) -> Surrogate:
    return Surrogate(read_record(PopulationTable, table_file))


def arms(samplers: Sequence[str]) -> list[Arm]:
    """Every sampler with and without halving; for two learning samplers, halving also uninformed and unbounded."""
    found = [Arm(sampler, halving) for sampler in samplers for halving in (True, False)]
    for sampler in [name for name in ("tpe", "nsga2") if name in samplers]:
        found += [Arm(sampler, halving=True, informed=False), Arm(sampler, halving=True, bounded=False)]
    return found


def simulate(arm: Arm, surrogate: Surrogate, repeat: int, objectives: tuple[str, ...]) -> Course:
    """Search with one worker until the arm's largest budget is spent."""
    base = surrogate.table.plan
    epochs = base.recipe.epochs
    plan = replace(
        base,
        objectives=objectives,
        sampler=arm.sampler,
        seed=repeat,
        rungs=rungs(epochs, REDUCTION if arm.halving else None),
        reduction=REDUCTION if arm.halving else None,
    )
    study = StudyInMemory(plan)
    answers = Answers(plan, surrogate, repeat, max(arm.budgets) * epochs)
    driver = Driver(study, ENOUGH, answers, 1, promotion=to_promote if arm.bounded else to_promote_unbounded)
    if not arm.informed:
        driver.candidates.view = UninformedView(plan, driver.space)
    driver.run()
    bounds = bounds_of(replace(base, objectives=("error", "macs")), [])
    return delivered(study.trials(), answers.expected, epochs, bounds, arm.budgets)


class UninformedView(SamplerView):
    """A sampler's view that ignores stopped trials."""

    def learn(self, trials: Collection[Trial]) -> None:
        """Learn from complete trials only."""
        super().learn([trial if trial.state == "complete" else replace(trial, rungs=()) for trial in trials])


def delivered(
    trials: Sequence[Trial],
    expected: Mapping[str, float],
    epochs: int,
    bounds: Bounds,
    budgets: Sequence[int] = BUDGETS,
) -> Course:
    """The course of a search, computed from the order in which its rungs were reached.

    At each budget: the expected error of the network with the best score among those trained in full, and the
    hypervolume of the expected errors of the front, which is selected by scores.
    """
    events = sorted(
        (rung.arrival, rung.epochs - before, trial)
        for trial in trials
        for before, rung in zip((0, *(r.epochs for r in trial.rungs)), trial.rungs, strict=False)
    )
    spent = np.cumsum([cost for _, cost, _ in events])
    volumes: list[float] = []
    errors: list[float | None] = []
    for budget in budgets:
        known = int(np.searchsorted(spent, budget * epochs, side="right"))
        complete = [
            trial
            for arrival, _, trial in events[:known]
            if trial.rungs[-1].epochs == epochs and trial.rungs[-1].arrival == arrival
        ]
        scores = [trial.rungs[-1].validation_error_percent for trial in complete]
        costs = [math.log10(trial.costs["macs"]) for trial in complete]
        chosen = front(list(zip(scores, costs, strict=True)))
        points = [bounds.scaled([expected[complete[index].run], costs[index]]) for index in chosen]
        volumes.append(hypervolume(points, [1.0, 1.0]) if points else 0.0)
        errors.append(expected[complete[int(np.argmin(scores))].run] if complete else None)
    return Course(tuple(volumes), tuple(errors), len(trials))
