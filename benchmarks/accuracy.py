"""Accuracy after equal epochs: does higher speed cost accuracy?

Compares the engine with the textbook trainer on 5,000 images, and the engine in bfloat16 with float32, on the small
references, paired by seed. Equivalence: two one-sided t tests at 5 % with a margin of one point, on the mean over
networks, since the noise of a single network's seeds exceeds that margin.
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.arms import Case, Timed, engine, processes, small_networks, textbook
from benchmarks.records import Row, row
from pipeline.evidence.statistics import mean_interval
from pipeline.machine import cores
from pipeline.training.recipe import Precision

SEEDS = 10
EPOCHS = 2
LEARNING_RATE = 0.05
MARGIN_POINTS = 1.0
IMAGES = 5000
HALF_PRECISION_IMAGES = 1500
"""Fewer images, because processors without bfloat16 emulate it slowly."""


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Train every small reference in each arm with at least SEEDS seeds (`repeats` if more), one training per core."""
    seeds = range(1, max(SEEDS, repeats) + 1)
    names = small_networks()

    arms: dict[str, tuple[Callable[[Case], Timed], int, Precision]] = {
        "convstudy": (engine, IMAGES, "float32"),
        "textbook": (textbook, IMAGES, "float32"),
        "float32": (engine, HALF_PRECISION_IMAGES, "float32"),
        "bfloat16": (engine, HALF_PRECISION_IMAGES, "bfloat16"),
    }

    def case(name: str, arm: str, seed: int) -> Case:
        _, images, precision = arms[arm]
        return Case(name, images, 64, data, EPOCHS, seed, LEARNING_RATE, precision, threads=1, score=True)

    errors: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    with processes([str(core) for core in range(cores())]) as pools:
        jobs = [(name, arm, seed) for name in names for arm in arms for seed in seeds]
        futures = [
            pools[str(index % len(pools))].submit(arms[arm][0], case(name, arm, seed))
            for index, (name, arm, seed) in enumerate(jobs)
        ]
        for (name, arm, seed), future in zip(jobs, futures, strict=True):
            error = future.result().error_percent
            assert error is not None
            errors[name].setdefault(arm, []).append(error)
            tell(f"accuracy: {name} {arm} seed {seed}: {error:.1f} %")
    rows, findings = [], []
    for first, second in (("convstudy", "textbook"), ("bfloat16", "float32")):
        for name in names:
            pair = {arm: errors[name][arm] for arm in (first, second)}
            rows.append(row(f"{name}, {first} and {second}", "% validation error", pair, None))
        findings.append(
            f"error of {first} minus {second}: {equivalence([errors[name] for name in names], first, second)}"
        )
    return rows, findings


def equivalence(errors: Sequence[dict[str, list[float]]], first: str, second: str) -> str:
    """The mean difference over networks with its interval over seeds, and the verdict of the two one-sided tests."""
    differences = [
        statistics.mean(pair)
        for pair in zip(*([a - b for a, b in zip(e[first], e[second], strict=True)] for e in errors), strict=True)
    ]
    wide, narrow = mean_interval(differences), mean_interval(differences, 0.90)
    assert wide is not None and wide.interval is not None and narrow is not None and narrow.interval is not None
    inside = narrow.interval[0] > -MARGIN_POINTS and narrow.interval[1] < MARGIN_POINTS
    verdict = "equivalent" if inside else "not shown to be equivalent"
    return (
        f"{wide.mean:+.2f} points [{wide.interval[0]:+.2f}, {wide.interval[1]:+.2f}] (n={wide.n} seeds), "
        f"{verdict} within {MARGIN_POINTS:g} point"
    )
