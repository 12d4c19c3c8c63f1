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
SHOWN_BUDGETS = (15, 30, 45)
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
) -> list[str]:
    """The budgets at which a sampler is shown to be worse than random search of the same kind, one line each."""
    lines = []
    confidence = 1 - 0.05 / sum(budget >= LEAST_BUDGET for budget in comparison.budgets)
    courses, what = comparison.courses[objectives], MEASURES[objectives]
    ones, randoms = courses[Arm(sampler, halving).name], courses[Arm("random", halving).name]
    for index, budget in enumerate(comparison.budgets):
        if budget < LEAST_BUDGET:
            continue
        found = difference(ones, randoms, index, what, confidence)
        assert found.interval is not None
        if what == "volume" and found.interval[1] < 0:
            lines.append(f"hypervolume at {budget} trainings: {_shown(found, 3)}")
        if what == "error" and found.interval[0] > 0:
            lines.append(f"error at {budget} trainings: {_shown(found, 2)} points")
    return lines


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


def findings(comparison: SearchComparison) -> list[str]:
    """The results as sentences."""
    chosen = auto(comparison)
    named = {kind: auto(comparison, *kind) for kind in KINDS}
    lines = [f"auto is {'; '.join(f'{sampler} for {_kind(*kind)}' for kind, sampler in named.items())}"]
    for (objectives, with_halving), sampler in named.items():
        if sampler != "random":
            one, other = Arm(sampler, with_halving), Arm("random", with_halving)
            lines.append(f"{objectives}, {_gains(comparison, one, other, [objectives])}")
    for sampler in compared(comparison):
        worse = {kind: worse_than_random(comparison, sampler, *kind) for kind in KINDS if sampler != "random"}
        shown = [f"{_kind(*kind)}: {'; '.join(where)}" for kind, where in worse.items() if where]
        if shown:
            lines.append(f"{sampler} is shown to be worse than random for {'; and for '.join(shown)}")
        if share := compute_share(comparison, sampler):
            lines.append(
                f"{sampler}: halving needs {share[0]:.2f} [{share[1]:.2f}, {share[2]:.2f}] of the compute to reach the "
                f"hypervolume of full training at {comparison.budgets[-1]} trainings"
            )
        else:
            lines.append(f"{sampler}: halving is not shown to reach the hypervolume of full training")
    halving = Arm(chosen, halving=True)
    for other in (Arm(chosen, True, informed=False), Arm(chosen, True, bounded=False)):
        if other.name in comparison.courses[TWO]:
            lines.append(_gains(comparison, halving, other, [TWO, ONE]))
    return lines


def _kind(objectives: str, halving: bool) -> str:
    return f"{objectives} {'with halving' if halving else 'with full training'}"


def _gains(comparison: SearchComparison, one: Arm, other: Arm, objectives: Sequence[str]) -> str:
    """One arm minus another: paired differences at SHOWN_BUDGETS, in the measure of each objective."""

    def gain(name: str, index: int) -> str:
        courses, what = comparison.courses[name], MEASURES[name]
        found = difference(courses[one.name], courses[other.name], index, what)
        return f"hypervolume {_shown(found, 3)}" if what == "volume" else f"error {_shown(found, 2)} points"

    gains = "; ".join(
        f"{' and '.join(gain(name, index) for name in objectives)} at {budget} trainings"
        for index, budget in enumerate(comparison.budgets)
        if budget in SHOWN_BUDGETS
    )
    return f"{label_of(one.name)} minus {label_of(other.name)}: {gains}"


def tabulate(comparison: SearchComparison) -> str:
    """A Markdown table: hypervolume with two objectives, lowest error with one; means with 95 % intervals."""
    shown = [index for index, budget in enumerate(comparison.budgets) if budget in SHOWN_BUDGETS]
    budgets = [comparison.budgets[index] for index in shown]
    titles = [f"hypervolume at {b}" for b in budgets] + [f"error % at {b}" for b in budgets] + ["trials"]
    lines = ["| search | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    for name, two in comparison.courses[TWO].items():
        one = comparison.courses[ONE][name]
        cells = [
            _shown(mean_interval([c.hypervolume[index] for c in two if index < len(c.hypervolume)]), 3)
            for index in shown
        ]
        for index in shown:
            errors = [course.error_percent[index] for course in one if index < len(course.error_percent)]
            cells.append(_shown(mean_interval([error for error in errors if error is not None]), 2))
        cells.append(f"{statistics.median(course.trials for course in two):.0f}")
        lines.append(f"| {label_of(name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    between = interval.interval and f" [{interval.interval[0]:.{digits}f}, {interval.interval[1]:.{digits}f}]"
    return f"{interval.mean:.{digits}f}{between or ''}"
