"""What `bench-search` has found: the table, which sampler `auto` is, and what halving saves.

The rule for `auto`, fixed before the comparison was run: of the samplers that, with halving, are not shown to be worse
than random search with halving at any budget from LEAST_BUDGET on, in hypervolume (error and MACs as objectives) or
lowest error (error alone), by paired differences whose intervals cover all of these comparisons together with 95 %:
the one of the highest hypervolume, the mean over those budgets.
"""

import statistics
from collections.abc import Sequence

import numpy as np

from benchmarks.search_bench import Arm, Course, SearchComparison
from pipeline.evidence.records import Interval
from pipeline.evidence.statistics import mean_interval
from pipeline.evidence.study_records import SAMPLERS, SamplerName

LEAST_BUDGET = 10
SHOWN_BUDGETS = (15, 30, 45)
RESAMPLES = 2_000
TWO, ONE = "error and MACs", "error alone"


def auto(comparison: SearchComparison) -> SamplerName:
    """The sampler that the rule chooses."""
    courses = comparison.courses[TWO]
    able = [name for name in compared(comparison) if name == "random" or not worse_than_random(comparison, name)]
    return max(able, key=lambda name: _mean_volume(comparison, courses[Arm(name, halving=True).name]))


def compared(comparison: SearchComparison) -> list[SamplerName]:
    """The samplers that were simulated with halving."""
    return [name for name in SAMPLERS if Arm(name, halving=True).name in comparison.courses[TWO]]


def _mean_volume(comparison: SearchComparison, courses: Sequence[Course]) -> float:
    from_there = [place for place, budget in enumerate(comparison.budgets) if budget >= LEAST_BUDGET]
    return statistics.mean(course.hypervolume[place] for course in courses for place in from_there)


def worse_than_random(comparison: SearchComparison, sampler: SamplerName) -> list[str]:
    """Where a sampler is shown to be worse than random search, both with halving: one line an objective and budget."""
    lines = []
    confidence = 1 - 0.05 / (2 * sum(budget >= LEAST_BUDGET for budget in comparison.budgets))
    one, random = Arm(sampler, halving=True).name, Arm("random", halving=True).name
    for place, budget in enumerate(comparison.budgets):
        if budget < LEAST_BUDGET:
            continue
        volume = difference(comparison.courses[TWO][one], comparison.courses[TWO][random], place, "volume", confidence)
        error = difference(comparison.courses[ONE][one], comparison.courses[ONE][random], place, "error", confidence)
        if volume.interval and volume.interval[1] < 0:
            lines.append(f"hypervolume at {budget} trainings: {_told(volume, 3)}")
        if error.interval and error.interval[0] > 0:
            lines.append(f"error at {budget} trainings: {_told(error, 2)} points")
    return lines


def difference(
    ones: Sequence[Course], others: Sequence[Course], place: int, what: str, confidence: float = 0.95
) -> Interval:
    """The mean difference over repeats at one budget, paired; repeats without an error are left out."""
    pairs = [(_value(a, place, what), _value(b, place, what)) for a, b in zip(ones, others, strict=True)]
    interval = mean_interval([a - b for a, b in pairs if a is not None and b is not None], confidence)
    assert interval is not None
    return interval


def _value(course: Course, place: int, what: str) -> float | None:
    return course.hypervolume[place] if what == "volume" else course.error_percent[place]


def compute_share(comparison: SearchComparison, sampler: SamplerName) -> tuple[float, float, float] | None:
    """Of the compute of the largest budget, the share that halving takes to the hypervolume of training in full there.

    Both on the mean course over repeats, between budgets linearly; with its 95 % interval (bootstrap over repeats).
    None where a resampled mean course does not get there.
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
    place = int(reached[0])
    if place == 0:
        return budgets[0] / budgets[-1]
    before, after = halving[place - 1], halving[place]
    share = (full[-1] - before) / (after - before)
    return float(budgets[place - 1] + share * (budgets[place] - budgets[place - 1])) / budgets[-1]


def findings(comparison: SearchComparison) -> list[str]:
    """What was found, in sentences."""
    chosen = auto(comparison)
    lines = [f"auto is {chosen}"]
    if chosen != "random":
        one, other = Arm(chosen, halving=True), Arm("random", halving=True)
        lines.append(f"{one.name} less {other.name}: {_gains(comparison, one, other)}")
    for sampler in compared(comparison):
        worse = worse_than_random(comparison, sampler)
        if worse:
            lines.append(f"{sampler} is shown to be worse than random: {'; '.join(worse)}")
        if share := compute_share(comparison, sampler):
            lines.append(
                f"{sampler}: halving takes {share[0]:.2f} [{share[1]:.2f}, {share[2]:.2f}] of the compute to the "
                f"hypervolume that training in full has at {comparison.budgets[-1]} trainings"
            )
        else:
            lines.append(f"{sampler}: halving is not shown to reach the hypervolume of training in full")
    halving = Arm(chosen, halving=True)
    for other in (Arm(chosen, True, informed=False), Arm(chosen, True, bounded=False)):
        if other.name in comparison.courses[TWO]:
            lines.append(f"{halving.name} less {other.name}: {_gains(comparison, halving, other)}")
    return lines


def _gains(comparison: SearchComparison, one: Arm, other: Arm) -> str:
    two, alone = comparison.courses[TWO], comparison.courses[ONE]
    return "; ".join(
        f"hypervolume {_told(difference(two[one.name], two[other.name], place, 'volume'), 3)} and error "
        f"{_told(difference(alone[one.name], alone[other.name], place, 'error'), 2)} points at {budget} trainings"
        for place, budget in enumerate(comparison.budgets)
        if budget in SHOWN_BUDGETS
    )


def tabulate(comparison: SearchComparison) -> str:
    """The comparison as Markdown: hypervolume with two objectives, lowest error with one, means with 95 % intervals."""
    shown = [place for place, budget in enumerate(comparison.budgets) if budget in SHOWN_BUDGETS]
    budgets = [comparison.budgets[place] for place in shown]
    titles = [f"hypervolume at {b}" for b in budgets] + [f"error % at {b}" for b in budgets] + ["trials"]
    lines = ["| search | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    for name, two in comparison.courses[TWO].items():
        one = comparison.courses[ONE][name]
        cells = [
            _told(mean_interval([c.hypervolume[place] for c in two if place < len(c.hypervolume)]), 3)
            for place in shown
        ]
        for place in shown:
            errors = [course.error_percent[place] for course in one if place < len(course.error_percent)]
            cells.append(_told(mean_interval([error for error in errors if error is not None]), 2))
        cells.append(f"{statistics.median(course.trials for course in two):.0f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _told(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    between = interval.interval and f" [{interval.interval[0]:.{digits}f}, {interval.interval[1]:.{digits}f}]"
    return f"{interval.mean:.{digits}f}{between or ''}"
