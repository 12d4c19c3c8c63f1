"""Searching: time of the search driver per trial, without training, as a study grows; and speed of counting costs.

Uses the real driver on an SQLite file, with halving and two objectives; trainings return at once. A trial's time is
everything between two new trials: storing outcomes, updating the sampler, deciding promotions, drawing a random
candidate, checking its limits and storing it. The run store, MLflow and the display are not included: every training
has them.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import search_spaces
from benchmarks.records import Row, row
from benchmarks.simulated import AnsweredRun
from pipeline.cost.limits import Limits
from pipeline.data.manifest import load_manifest
from pipeline.evidence.records import Measurement
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import Budget, Rung, SearchPlan, StudyRecord, Trial
from pipeline.machine import hardware, peak_memory_bytes, versions
from pipeline.reporting.rendering import render_html, sections_of, study_sections
from pipeline.reporting.report import FEATURED, read_published
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from pipeline.search.candidates import Candidates
from pipeline.search.driver import Driver
from pipeline.search.gate import costs_of
from pipeline.search.plans import AUTO, plan_search
from pipeline.search.sampler_view import USUAL_DRAWS, SamplerView
from pipeline.search.samplers import STARTUP
from pipeline.search.searches import read_study
from pipeline.search.studies import StoredStudy, Studies
from pipeline.training.recipe import Recipe
from pipeline.workspace import current_workspace
from search_spaces import Space

SIZES = (100, 1_000, 2_000, 10_000)
OWN = "the driver's own work for a trial at"
REPORT = "report of a study of"
PRICING = "counting costs of designs, resnet"
AMONG_REFUSED = "a new candidate if 99 of 100 networks are over the limit"
AT_FIRST, LATER = "at first", "after 10,000 were refused"
DRAW, NONE_REFUSED = "a draw of tpe if 99 of 100 networks are over the limit", "after as many trials, none refused"
ASKED: tuple[str, ...] = ("random", "evolution", "nsga2", "qmc", "tpe", "gp")
MOST_OF_GP = 100
"""Draws of the Gaussian process are measured up to this number of trials: later ones take seconds."""
MOST_MS_OF_AUTO, MOST_OWN_MS = 250, 30
"""Limits in milliseconds at 2,000 trials: for a draw of the samplers of `auto`, and for the driver's own work."""
PRICED, REFUSED = 500, 10_000
BLOCK, MOST_BLOCKS = 9, 10
"""The driver's time is averaged over BLOCK new trials, because only some are followed by a promotion."""
SPACES = ("resnet", "resnext", "densenet")


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Grow one study in an SQLite file, and measure the cost of one more trial at each size."""
    manifest = load_manifest(data)
    limits = Limits(macs=20_000_000)
    plan = plan_search(SPACES, Recipe(epochs=9), manifest, "cpu", limits=limits, sampler="random")
    space = search_spaces.space(plan.space)
    rows: list[Row] = [row(PRICING, "designs/s", {"convstudy": _pricing(plan, repeats)})]
    with TemporaryDirectory() as folder:
        studies = Studies(f"sqlite:///{folder}/studies.db", Path(folder))
        study = studies.create("growing", plan)
        candidates = Candidates(plan, space)
        trials: list[Trial] = []
        for size in SIZES:
            blocks = min(repeats, MOST_BLOCKS)
            new = BLOCK * blocks + 1
            while len(trials) < size - new:
                trials.append(_one_more(trials, candidates))
                study.add(trials[-1], space)
                study.update(trials[-1])
            (first, *others), trials = _driven(study, new)
            seconds = np.reshape(others, (blocks, BLOCK)).mean(axis=1)
            for trial in trials[-new - 1 :]:
                candidates.know(trial)
            item = row(f"{OWN} {size:,}", "ms", {"convstudy": list(1e3 * seconds)}, None)
            rows.append(item)
            rows.append(row(f"a driver's first trial in a study of {size:,}", "ms", {"convstudy": [1e3 * first]}, None))
            rows.append(row(f"ask at {size:,}", "ms", _asks(plan, space, trials, repeats, size), None))
            store = RunStore(Path(folder) / "runs")
            _measure_all(store, trials)
            started = time.perf_counter()
            record = read_study(study, store, driven=False)
            rows.append(
                row(f"record of a study of {size:,}", "s", {"convstudy": [time.perf_counter() - started]}, None)
            )
            rows.append(row(f"{REPORT} {size:,}", "s", {"convstudy": [_report(record)]}, None))
            database = sum(path.stat().st_size for path in Path(folder).glob("studies.db*")) / 2**20
            memory = peak_memory_bytes() / 2**20
            rows.append(row(f"space of a study of {size:,}", "MiB", {"database": [database], "memory": [memory]}, None))
            tell(f"searching: {size:,} trials: {item.median('convstudy'):.1f} ms of driver time per trial")
        studies.close()
    rows += _among_refused(plan, repeats)
    return rows, findings(rows)


def findings(rows: Sequence[Row]) -> list[str]:
    """The results as sentences."""
    medians = {(row.case, arm): row.median(arm) for row in rows for arm in row.arms}
    notes = {row.case: row.note for row in rows}
    own, ask, space = (OWN, "ask at", "space of a study of")
    chosen = sorted(set(AUTO.values()))

    def at(case: str, size: int, arm: str = "convstudy") -> float:
        return medians[f"{case} {size:,}", arm]

    return [
        f"costs of {medians[PRICING, 'convstudy']:,.0f} designs of the ResNet space are counted per second",
        f"the driver's own work (limits, records, sampler; without run store, MLflow and display) takes "
        f"{at(own, 2_000):.0f} ms per trial at 2,000 trials (target: at most {MOST_OWN_MS}), {at(own, 10_000):.0f} ms "
        "at 10,000",
        f"drawing the next design with the samplers of auto takes, at 2,000 and 10,000 trials, "
        f"{', '.join(f'{at(ask, 2_000, s):.0f} and {at(ask, 10_000, s):.0f} ms ({s})' for s in chosen)}; target at "
        f"2,000: at most {MOST_MS_OF_AUTO} ms",
        f"a draw of gp takes {at(ask, 100, 'gp'):.0f} ms at 100 trials",
        f"if 99 of 100 networks are over the limit, a new candidate takes {medians[AMONG_REFUSED, AT_FIRST]:.0f} ms "
        f"{AT_FIRST} and {medians[AMONG_REFUSED, LATER]:.0f} ms {LATER} ({notes[AMONG_REFUSED]}), with up to "
        f"{USUAL_DRAWS} draws; one draw takes {medians[DRAW, LATER]:.1f} ms, and {medians[DRAW, NONE_REFUSED]:.1f} ms "
        "after as many trials without refusals",
        f"the report of a study takes {at(REPORT, 100):.1f} s with 100 trials, {at(REPORT, 10_000):.1f} s with 10,000",
        f"from 100 to 10,000 trials the database grows from {at(space, 100, 'database'):.0f} to "
        f"{at(space, 10_000, 'database'):.0f} MiB, the process from {at(space, 100, 'memory'):.0f} to "
        f"{at(space, 10_000, 'memory'):.0f} MiB",
    ]


def _report(record: StudyRecord) -> float:
    """Seconds to render a study's page with the published networks; the networks' figures are made before."""
    networks = sections_of([read_published(current_workspace().published / FEATURED)])
    render_html(networks, study_sections([record], {}))  # warm-up: loads fonts and templates
    started = time.perf_counter()
    render_html(networks, study_sections([record], {}))
    return time.perf_counter() - started


def _measure_all(store: RunStore, trials: Sequence[Trial]) -> None:
    """Write a measurement for every trial's run; the record of a study reads them."""
    here, code = hardware("cpu"), versions()
    for folder in (store.folder(trial.run) for trial in trials):
        if folder.measurement() is None:
            folder.write(
                Measurement("measurement/1", folder.run, (1.0,), 1.0, 1.0, 1.0, 1, "resident set", 1, 1, "", here, code)
            )


class _AtOnce:
    """Answers a driver's requests at once with made-up errors, until `new` trials have started.

    `begun_at`: times of the driver's start, then of the start of each trial after the `known` ones.
    """

    def __init__(self, plan: SearchPlan, known: int, new: int) -> None:
        self.plan, self.begun_at, self._known, self._new = plan, [time.perf_counter()], known, new
        self._asked: list[Request] = []

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._asked.append(request)
        number = int(request.name.rpartition(" ")[2])
        if number >= self._known and request.until == self.plan.rungs[0]:
            self.begun_at.append(time.perf_counter())

    def outcomes(self) -> Iterator[Outcome]:
        """Outcomes in order; raises _EnoughError after `new` trials."""
        while self._asked:
            request = self._asked.pop(0)
            if len(self.begun_at) > self._new:
                raise _EnoughError
            reached = request.until or self.plan.recipe.epochs
            errors = _errors(int(request.spec.hash[:8], 16), self.plan.recipe.epochs)[:reached]
            folder = AnsweredRun(Path(request.spec.hash), errors, self.plan.recipe.epochs)
            yield Outcome(request, folder, "stopped" if request.until else "complete", None)

    def stop(self, request: Request) -> None:
        """Nothing to stop."""


class _EnoughError(Exception):
    pass


def _driven(study: StoredStudy, new: int) -> tuple[list[float], list[Trial]]:
    """Let a driver make `new` more trials; returns the seconds between their starts, and all trials."""
    known = len(study.trials())
    answers = _AtOnce(study.plan, known, new)
    with contextlib.suppress(_EnoughError):  # the driver stops before it completes waiting trials
        Driver(study, Budget(trials=known + new), answers, 1).run()
    return list(np.diff(answers.begun_at)), study.trials()


def _one_more(trials: list[Trial], candidates: Candidates) -> Trial:
    """A new candidate within the limits, with made-up rungs: one in nine is complete, two in nine reach rung 2."""
    number = len(trials)
    trial = candidates.next(number)
    assert trial is not None
    candidates.know(trial)
    errors, reached = _errors(number, 9), (3, 1, 1, 2, 1, 1, 2, 1, 1)[number % 9]
    rungs = tuple(Rung(epochs, errors[epochs - 1], number + 1) for epochs in (1, 3, 9)[:reached])
    return replace(trial, rungs=rungs, state="complete" if reached == 3 else None, counted_at=number + 1)


def _errors(seed: int, epochs: int) -> tuple[float, ...]:
    return tuple(float(error) for error in np.random.default_rng(seed).uniform(10, 20, epochs))


def _among_refused(plan: SearchPlan, repeats: int) -> list[Row]:
    """Milliseconds per new candidate of TPE if one in a hundred uniform draws is within the limit.

    Measured after the sampler's start-up trials, and again after REFUSED refusals. Then one draw is measured, and one
    draw of a sampler that knows the same trials but no refusals.
    """
    space, generator = search_spaces.space(plan.space), np.random.default_rng(0)
    drawn = (costs_of(space.design(space.draw(generator)), plan) for _ in range(2_000))
    limit = int(np.quantile([costs["macs"] for costs in drawn if costs], 0.01))
    limited = replace(plan, limits=Limits(macs=limit), sampler="tpe")
    candidates = Candidates(limited, space)
    trials: list[Trial] = []
    milliseconds: list[float] = []
    refused = 0
    while len(milliseconds) < 2 * repeats:
        candidates.view.learn(trials)
        started = time.perf_counter()
        trial = _one_more(trials, candidates)
        passed = time.perf_counter() - started
        candidates.view.begin(trial)
        trials.append(trial)
        refused += trial.refused
        if len(trials) > STARTUP and (len(milliseconds) < repeats or refused > REFUSED):
            milliseconds.append(1e3 * passed)
    candidates.view.learn(trials)
    views = {LATER: candidates.view, NONE_REFUSED: _view_of(limited, space, trials)}
    draws: dict[str, list[float]] = {arm: [] for arm in views}
    for repeat in range(repeats):
        for arm, view in views.items():
            draws[arm].append(_draw(view, len(trials) + repeat))
    arms = {AT_FIRST: milliseconds[:repeats], LATER: milliseconds[repeats:]}
    return [row(AMONG_REFUSED, "ms", arms, None, f"{len(trials)} trials at the end"), row(DRAW, "ms", draws, "lower")]


def _view_of(plan: SearchPlan, space: Space, trials: Sequence[Trial]) -> SamplerView:
    view = SamplerView(plan, space)
    for trial in trials:
        view.begin(trial)
    view.learn(trials)
    return view


def _draw(view: SamplerView, number: int) -> float:
    """Milliseconds of one draw."""
    started = time.perf_counter()
    draws = view.draws(number, 1)
    next(draws)
    draws.close()
    return 1e3 * (time.perf_counter() - started)


def _asks(plan: SearchPlan, space: Space, trials: list[Trial], repeats: int, size: int) -> dict[str, list[float]]:
    """Milliseconds per draw of each sampler, after learning all trials."""
    series: dict[str, list[float]] = {}
    for sampler in ASKED:
        if sampler == "gp" and size > MOST_OF_GP:
            continue
        view = _view_of(replace(plan, sampler=sampler), space, trials)
        series[sampler] = [_draw(view, len(trials) + repeat) for repeat in range(repeats)]
    return series


def _pricing(plan: SearchPlan, repeats: int) -> list[float]:
    """Networks of the ResNet space whose costs are counted per second, including their construction."""
    space = search_spaces.space(["resnet"])
    generator = np.random.default_rng(0)
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(PRICED):
            costs_of(space.design(space.draw(generator)), plan)
        rates.append(PRICED / (time.perf_counter() - started))
    return rates
