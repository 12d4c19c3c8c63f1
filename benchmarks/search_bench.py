"""`convstudy bench-search`: ways to search compared on a population, without training.

Every way searches the population's space again and again by the real driver, its trainings answered by the surrogate
with a training's noise. What counts is what a search would deliver: the networks it would choose by its noisy scores,
at their expected errors, against the training images it has seen. Arms of a repeat share the noise of each network.
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
"""In trainings: a budget is so many times the images that one network sees when it is trained in full."""
MOST_OF_GP = {False: 20, True: 10}
"""The largest budget of a Gaussian process, in full and with halving: at some 40 trials a draw takes seconds."""
OBJECTIVES: dict[str, tuple[str, ...]] = {"error and MACs": ("error", "macs"), "error alone": ("error",)}
FIRST_SEED = 100
"""Those below served while the rule of `search_verdict` was made."""
ENOUGH = Budget(trials=100_000)


@dataclass(frozen=True, config=STRICT)
class Arm:
    """One way to search; `informed`: the sampler hears of trials that were stopped; `bounded`: see asha."""

    sampler: str
    halving: bool
    informed: bool = True
    bounded: bool = True

    @property
    def budgets(self) -> tuple[int, ...]:
        """Those of BUDGETS that it is given; the Gaussian process only the first."""
        return tuple(budget for budget in BUDGETS if budget <= MOST_OF_GP[self.halving] or self.sampler != "gp")

    @property
    def name(self) -> str:
        """As a table names it."""
        name = f"{self.sampler}, {'halving' if self.halving else 'full'}"
        name += "" if self.informed else ", not told of stopped trials"
        return name if self.bounded else f"{name}, unbounded"


@dataclass(frozen=True, config=STRICT)
class Course:
    """What one simulated search would deliver at each of its arm's budgets, and the number of its trials.

    `error_percent` is None where no network has been trained in full yet.
    """

    hypervolume: tuple[float, ...]
    error_percent: tuple[float | None, ...]
    trials: int


@dataclass(frozen=True, config=STRICT)
class SearchComparison:
    """`search.json`: the courses of all arms, by objectives and name of the arm, one a repeat.

    `rank_correlation` is that of the surrogate, cross-validated over the population's `networks`; `first_seed` that of
    the first repeat.
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
"""The courses of one repeat, by objectives and name of the arm."""


def compare_into(
    file: Path,
    table_file: Path,
    samplers: Sequence[str],
    repeats: int,
    workers: int,
    tell: Callable[[str], None],
) -> SearchComparison:
    """Compare, and write the record; arms that it holds already of the same table, seeds and repeats are kept in it.

    Repeats lie beside it until all are there, so that a comparison that was interrupted goes on. Raises UsageError,
    before anything is compared, where the file holds another comparison: hours may be in it.
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
                f"{file} holds a comparison on another table, or of other seeds ({', '.join(map(str, held))} repeats): "
                "move it away, or compare the same"
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
    """Every arm in every repeat, with either set of objectives; each repeat is kept in the folder `parts`.

    Those that lie there are taken as they are, if they are on the same table.
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
    finally:  # interrupted, it does not wait for the repeats under way
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
    """Searches beside each other on few cores: the Gaussian process's threads would only wait for one another."""
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
    """Every sampler with and without halving; with two that learn, what their halving rests on left out one by one."""
    found = [Arm(sampler, halving) for sampler in samplers for halving in (True, False)]
    for sampler in [name for name in ("tpe", "nsga2") if name in samplers]:
        found += [Arm(sampler, halving=True, informed=False), Arm(sampler, halving=True, bounded=False)]
    return found


def simulate(arm: Arm, surrogate: Surrogate, repeat: int, objectives: tuple[str, ...]) -> Course:
    """Search with one worker until the largest of the arm's budgets is spent."""
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
    """A sampler's view to which trials that were stopped say nothing."""

    def learn(self, trials: Collection[Trial]) -> None:
        """Take in the complete trials alone."""
        super().learn([trial if trial.state == "complete" else replace(trial, rungs=()) for trial in trials])


def delivered(
    trials: Sequence[Trial],
    expected: Mapping[str, float],
    epochs: int,
    bounds: Bounds,
    budgets: Sequence[int] = BUDGETS,
) -> Course:
    """The course of a search, read off the order in which its rungs were told.

    At each budget: the expected error of the network with the best score among those trained in full, and the
    hypervolume of the front by scores, at expected errors.
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
        told_by_then = int(np.searchsorted(spent, budget * epochs, side="right"))
        complete = [
            trial
            for arrival, _, trial in events[:told_by_then]
            if trial.rungs[-1].epochs == epochs and trial.rungs[-1].arrival == arrival
        ]
        scores = [trial.rungs[-1].validation_error_percent for trial in complete]
        costs = [math.log10(trial.costs["macs"]) for trial in complete]
        chosen = front(list(zip(scores, costs, strict=True)))
        points = [bounds.scaled([expected[complete[index].run], costs[index]]) for index in chosen]
        volumes.append(hypervolume(points, [1.0, 1.0]) if points else 0.0)
        errors.append(expected[complete[int(np.argmin(scores))].run] if complete else None)
    return Course(tuple(volumes), tuple(errors), len(trials))
