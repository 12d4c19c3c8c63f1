"""Searching: what the driver of a search does for a trial besides training it, as a study grows; and pricing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import search_spaces
from benchmarks.records import Row, row
from pipeline.cost.limits import Limits
from pipeline.data.manifest import load_manifest
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import Rung, SamplerName, SearchPlan, Trial
from pipeline.machine import peak_memory_bytes
from pipeline.search.candidates import Candidates
from pipeline.search.gate import costs_of
from pipeline.search.search_plans import AUTO, plan_search
from pipeline.search.searches import read_study
from pipeline.search.studies import Studies
from pipeline.training.recipe import Recipe
from search_spaces import Space

SIZES = (100, 1_000, 2_000, 10_000)
ASKED: tuple[SamplerName, ...] = ("random", "evolution", "nsga2", "qmc", "tpe")
"""The Gaussian process is left out: it takes seconds from some hundred trials on."""
PRICED = 500
SPACES = ("resnet", "resnext", "densenet")


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Grow one study in an SQLite file; at each size measure what one more trial costs."""
    manifest = load_manifest(data)
    limits = Limits(macs=20_000_000)
    plan = plan_search(SPACES, Recipe(epochs=9), manifest, "cpu", limits=limits, sampler="random")
    space = search_spaces.space(plan.space)
    rows: list[Row] = [row("pricing of one design, resnet", "designs/s", {"convstudy": _pricing(plan, repeats)})]
    with TemporaryDirectory() as folder:
        studies = Studies(f"sqlite:///{folder}/studies.db", Path(folder))
        study = studies.create("growing", plan)
        candidates = Candidates(plan, space)
        trials: list[Trial] = []
        for size in SIZES:
            while len(trials) < size - repeats:
                trials.append(_one_more(trials, candidates))
                study.add(trials[-1], space)
                study.update(trials[-1])
            seconds = []
            for _ in range(repeats):
                started = time.perf_counter()
                trial = _one_more(trials, candidates)
                study.add(trial, space)
                study.update(replace(trial, state=None, rungs=trial.rungs[:1]))
                study.update(trial)
                seconds.append(1e3 * (time.perf_counter() - started))
                trials.append(trial)
            item = row(f"gate, record and tell of a trial at {size:,}", "ms", {"convstudy": seconds}, None)
            rows.append(item)
            rows.append(row(f"ask at {size:,}", "ms", _asks(plan, space, trials, repeats), None))
            started = time.perf_counter()
            read_study(study, RunStore(Path(folder) / "runs"), driven=False)
            rows.append(
                row(f"record of a study of {size:,}", "s", {"convstudy": [time.perf_counter() - started]}, None)
            )
            database = sum(path.stat().st_size for path in Path(folder).glob("studies.db*")) / 2**20
            memory = peak_memory_bytes() / 2**20
            rows.append(row(f"space of a study of {size:,}", "MiB", {"database": [database], "memory": [memory]}, None))
            tell(f"searching: {size:,} trials: {item.median('convstudy'):.1f} ms a trial of the driver's own")
        studies.close()
    return rows, findings(rows)


def findings(rows: Sequence[Row]) -> list[str]:
    """What the rows come to, in sentences."""
    medians = {(row.case, arm): row.median(arm) for row in rows for arm in row.arms}
    own, ask, space = ("gate, record and tell of a trial at", "ask at", "space of a study of")

    def at(case: str, size: int, arm: str = "convstudy") -> float:
        return medians[f"{case} {size:,}", arm]

    return [
        f"{medians['pricing of one design, resnet', 'convstudy']:,.0f} designs of the ResNet space are priced a second",
        f"the driver's own work takes {at(own, 2_000):.0f} ms a trial at 2,000 trials, {at(own, 10_000):.0f} ms at "
        "10,000",
        f"the next design takes {AUTO} {at(ask, 2_000, AUTO):.0f} ms at 2,000 trials, {at(ask, 10_000, AUTO):.0f} ms "
        f"at 10,000; tpe {at(ask, 2_000, 'tpe'):.0f} and {at(ask, 10_000, 'tpe'):.0f} ms",
        f"from 100 to 10,000 trials the database grows from {at(space, 100, 'database'):.0f} to "
        f"{at(space, 10_000, 'database'):.0f} MiB, the process from {at(space, 100, 'memory'):.0f} to "
        f"{at(space, 10_000, 'memory'):.0f} MiB",
    ]


def _one_more(trials: list[Trial], candidates: Candidates) -> Trial:
    """A candidate, gated, with made-up rungs; every third is complete."""
    number = len(trials)
    trial = candidates.next(number)
    assert trial is not None
    candidates.know(trial.config)
    errors = np.random.default_rng(number).uniform(10, 20, 3)
    reached = 3 if number % 3 == 0 else 1
    rungs = tuple(Rung(epochs, float(errors[place]), number) for place, epochs in enumerate((1, 3, 9)[:reached]))
    return replace(trial, rungs=rungs, state="complete" if reached == 3 else "stopped", counted_at=number + 1)


def _asks(plan: SearchPlan, space: Space, trials: list[Trial], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of one draw of each sampler that knows all trials."""
    series: dict[str, list[float]] = {}
    for sampler in ASKED:
        candidates = Candidates(replace(plan, sampler=sampler), space)
        for trial in trials:
            candidates.view.begin(trial)
        candidates.view.learn(trials)
        for repeat in range(repeats):
            started = time.perf_counter()
            draws = candidates.view.draws(len(trials) + repeat, 1)
            next(draws)
            draws.close()
            series.setdefault(sampler, []).append(1e3 * (time.perf_counter() - started))
    return series


def _pricing(plan: SearchPlan, repeats: int) -> list[float]:
    """Networks of the ResNet space priced a second, construction included."""
    space = search_spaces.space(["resnet"])
    generator = np.random.default_rng(0)
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(PRICED):
            costs_of(space.design(space.draw(generator)), plan)
        rates.append(PRICED / (time.perf_counter() - started))
    return rates
