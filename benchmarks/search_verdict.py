"""Results of `bench-search`: the table, the sampler that `auto` uses, and what halving saves.

The rule for `auto`, for each kind of search (one or two objectives, halving or full training):
1. Exclude samplers that are shown to be worse than random search at any budget from LEAST_BUDGET on, by paired
   differences whose intervals together cover these budgets with 95 %.
2. Of the others, take the best mean over these budgets: highest hypervolume (error and MACs), or lowest error.
A sampler that passes step 1 may still be worse than random search. `auto` is never a custom sampler.
"""

import statistics
from collections.abc import Sequence

import numpy as np

from benchmarks.search_bench import Arm, Course, SearchComparison, label_of
from pipeline.evidence.records import Interval
from pipeline.evidence.statistics import mean_interval
from pipeline.evidence.study_records import SAMPLERS

LEAST_BUDGET = 10
RESAMPLES = 2_000
TWO, ONE = "error and MACs", "error alone"
MEASURES = {TWO: "volume", ONE: "error"}
KINDS = ((TWO, True), (TWO, False), (ONE, True), (ONE, False))
"""Kinds of search: (objectives, with halving)."""


def auto(comparison: SearchComparison, objectives: str = TWO, halving: bool = True) -> str:
    """The sampler that the rule selects for a kind of search."""
    able = [
        name
        for name in compared(comparison, halving)
        if name in SAMPLERS and (name == "random" or not worse_than_random(comparison, name, objectives, halving))
    ]
    return max(able, key=lambda name: _mean_gain(comparison, name, objectives, halving))


def compared(comparison: SearchComparison, halving: bool = True) -> list[str]:
    """The samplers that were simulated up to the largest budget, with or without halving."""
    known = comparison.courses[TWO]
    custom = [name.partition(", ")[0] for name in known if ":" in name]
    found = {name: known.get(Arm(name, halving).name, ()) for name in (*SAMPLERS, *dict.fromkeys(custom))}
    budgets = len(comparison.budgets)
    return [name for name, courses in found.items() if courses and len(courses[0].hypervolume) == budgets]


def _mean_gain(comparison: SearchComparison, sampler: str, objectives: str, halving: bool) -> float:
    """The mean hypervolume, or the negative mean error, over courses and budgets."""
    courses, what = comparison.courses[objectives][Arm(sampler, halving).name], MEASURES[objectives]
    places = [index for index, budget in enumerate(comparison.budgets) if budget >= LEAST_BUDGET]
    found = [_value(course, index, what) for course in courses for index in places]
    known = [value for value in found if value is not None]
    assert len(known) == len(found), f"{sampler} has no network trained in full at {LEAST_BUDGET} trainings or more"
    mean = statistics.mean(known)
    return mean if what == "volume" else -mean


def worse_than_random(
    comparison: SearchComparison, sampler: str, objectives: str = TWO, halving: bool = True
) -> list[int]:
    """The budgets at which a sampler is shown to be worse than random search of the same kind."""
    confidence = 1 - 0.05 / sum(budget >= LEAST_BUDGET for budget in comparison.budgets)
    courses, what = comparison.courses[objectives], MEASURES[objectives]
    ones, randoms = courses[Arm(sampler, halving).name], courses[Arm("random", halving).name]
    found = {
        budget: difference(ones, randoms, index, what, confidence)
        for index, budget in enumerate(comparison.budgets)
        if budget >= LEAST_BUDGET
    }
    return [budget for budget, gain in found.items() if _favours(gain, what) == "the second"]


def _favours(found: Interval, what: str) -> str:
    """Which of two searches a difference favours: a higher hypervolume is better, and a lower error."""
    assert found.interval is not None
    low, high = found.interval
    if low <= 0 <= high:
        return "not shown"
    return "the first" if (low > 0) == (what == "volume") else "the second"


def difference(
    ones: Sequence[Course], others: Sequence[Course], index: int, what: str, confidence: float = 0.95
) -> Interval:
    """The mean paired difference over repeats at one budget; repeats without an error are left out."""
    pairs = [(_value(a, index, what), _value(b, index, what)) for a, b in zip(ones, others, strict=True)]
    interval = mean_interval([a - b for a, b in pairs if a is not None and b is not None], confidence)
    assert interval is not None
    return interval


def _value(course: Course, index: int, what: str) -> float | None:
    return course.hypervolume[index] if what == "volume" else course.error_percent[index]


def compute_share(comparison: SearchComparison, sampler: str) -> tuple[float, float, float] | None:
    """The share of the largest budget that halving needs to reach the final hypervolume of full training.

    Uses mean courses over repeats, interpolated between budgets; returns the share and its 95 % interval (bootstrap
    over repeats). None if a resampled mean course does not reach that hypervolume.
    """
    courses = comparison.courses[TWO]
    halving = np.array([course.hypervolume for course in courses[Arm(sampler, halving=True).name]])
    full = np.array([course.hypervolume for course in courses[Arm(sampler, halving=False).name]])
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(full), size=len(full)) for _ in range(RESAMPLES)]
    shares = [_share(comparison.budgets, halving[places].mean(axis=0), full[places].mean(axis=0)) for places in drawn]
    middle = _share(comparison.budgets, halving.mean(axis=0), full.mean(axis=0))
    if middle is None or any(share is None for share in shares):
        return None
    low, high = np.quantile(np.array(shares, dtype=float), [0.025, 0.975])
    return middle, float(low), float(high)


def _share(budgets: Sequence[int], halving: np.ndarray, full: np.ndarray) -> float | None:
    reached = np.flatnonzero(halving >= full[-1])
    if not len(reached):
        return None
    index = int(reached[0])
    if index == 0:
        return budgets[0] / budgets[-1]
    before, after = halving[index - 1], halving[index]
    share = (full[-1] - before) / (after - before)
    return float(budgets[index - 1] + share * (budgets[index] - budgets[index - 1])) / budgets[-1]


def summary(comparison: SearchComparison) -> str:
    """The results as Markdown: what `auto` is, scores at the largest budget, differences, and what halving saves."""
    most = comparison.budgets[-1]
    named = "; ".join(f"{auto(comparison, *kind)} for {_kind(*kind)}" for kind in KINDS)
    worse = {
        name: [_kind(*kind) for kind in KINDS if worse_than_random(comparison, name, *kind)]
        for name in compared(comparison)
        if name != "random"
    }
    shown = "; ".join(f"{name} ({', '.join(kinds)})" for name, kinds in worse.items() if kinds)
    return "\n".join(
        [
            f"`auto` is {named}.",
            "",
            f"What searches found with the images of {most} full trainings, as means. Hypervolume (higher is better) "
            "is of searches for low error and few MACs, error of searches for low error alone:",
            "",
            tabulate(comparison),
            "",
            f"Differences at {most} trainings, the first search minus the second. More hypervolume or less error "
            "favours the first:",
            "",
            _differences(comparison),
            "",
            f"Shown to be worse than random search at some budget: {shown or 'no sampler'}.",
            "",
            f"Share of the compute that halving needs to reach what full training reaches with {most} trainings:",
            "",
            _savings(comparison),
        ]
    )


def _kind(objectives: str, halving: bool) -> str:
    return f"{objectives} {'with halving' if halving else 'with full training'}"


def tabulate(comparison: SearchComparison) -> str:
    """A Markdown table of the arms that were simulated up to the largest budget, with their scores at it."""
    rows = []
    for name, two in comparison.courses[TWO].items():
        if two and len(two[0].hypervolume) == len(comparison.budgets):
            errors = [course.error_percent[-1] for course in comparison.courses[ONE][name]]
            volume = mean_interval([course.hypervolume[-1] for course in two])
            error = mean_interval([error for error in errors if error is not None])
            rows.append((label_of(name), *_cells(volume, 3), *_cells(error, 2)))
    return _table(("search", "hypervolume", "95 % interval", "error, %", "95 % interval"), rows)


def _differences(comparison: SearchComparison) -> str:
    """A Markdown table: `auto` and random search, then variants of halving, at the largest budget."""
    pairs: list[tuple[Arm, Arm, tuple[str, ...]]] = [
        (Arm(sampler, halving), Arm("random", halving), (objectives,))
        for objectives, halving in KINDS
        if (sampler := auto(comparison, objectives, halving)) != "random"
    ]
    chosen = auto(comparison)
    variants = (Arm(chosen, True, informed=False), Arm(chosen, True, bounded=False))
    pairs += [(Arm(chosen, True), other, (TWO, ONE)) for other in variants if other.name in comparison.courses[TWO]]
    rows = []
    for one, other, kinds in pairs:
        for objectives in kinds:
            courses, what = comparison.courses[objectives], MEASURES[objectives]
            found = difference(courses[one.name], courses[other.name], -1, what)
            measure, digits = ("hypervolume", 3) if what == "volume" else ("error, points", 2)
            names = label_of(one.name), label_of(other.name)
            rows.append((*names, measure, *_cells(found, digits, "+"), _favours(found, what)))
    return _table(("first", "second", "measure", "difference", "95 % interval", "favours"), rows, 3)


def _savings(comparison: SearchComparison) -> str:
    """A Markdown table: the share of compute that halving needs, by sampler."""
    rows = []
    for sampler in compared(comparison):
        share = compute_share(comparison, sampler)
        rows.append(
            (sampler, *((f"{share[0]:.2f}", f"{share[1]:.2f} to {share[2]:.2f}") if share else ("not shown", "")))
        )
    return _table(("sampler", "share", "95 % interval"), rows)


def _cells(interval: Interval | None, digits: int, sign: str = "") -> tuple[str, str]:
    """A mean and its interval."""
    if interval is None:
        return "", ""
    ends = interval.interval and tuple(f"{end:{sign}.{digits}f}" for end in interval.interval)
    return f"{interval.mean:{sign}.{digits}f}", " to ".join(ends) if ends else ""


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 1) -> str:
    rule = "".join("--:|" if index >= numbers else "---|" for index in range(len(titles)))
    return "\n".join([f"| {' | '.join(titles)} |", f"|{rule}", *(f"| {' | '.join(row)} |" for row in rows)])
