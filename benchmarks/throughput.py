"""Throughput of one training at a time on all cores: the engine, the textbook trainer, and Lightning."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.arms import SOURCE_NETWORKS, Case, processes, small_networks, timed
from benchmarks.records import Row, overall, row, shown

IMAGES = {
    "lenet": 25_600,
    "alexnet": 192,
    "vgg11-narrow": 256,
    "nin": 256,
    "googlenet": 512,
    "resnet18": 512,
    "densenet": 768,
}
"""Images per network, so that the engine takes a few seconds on two cores."""
SMALL_IMAGES = 6400
BATCH_SIZE = 64


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Time every network in every arm. Each repeat runs all arms in turn, in rotating order."""
    cases = [*SOURCE_NETWORKS, *small_networks()]
    arms = ("convstudy", "textbook", "lightning")
    seen: dict[str, dict[str, list[float]]] = {name: {arm: [] for arm in arms} for name in cases}
    with processes(arms) as pools:
        for repeat in range(repeats):
            order = arms[repeat % 3 :] + arms[: repeat % 3]
            for name in cases:
                case = Case(name, IMAGES.get(name, SMALL_IMAGES), BATCH_SIZE, data, seed=repeat + 1)
                for arm in order:
                    seen[name][arm].append(timed(pools[arm], arm, case).images_per_second)
                print(
                    f"{repeat + 1}/{repeats} {name}: " + ", ".join(f"{a} {v[-1]:,.0f}" for a, v in seen[name].items()),
                    flush=True,
                )
    rows = [row(name, "images/s", series) for name, series in seen.items()]
    source, small = rows[: len(SOURCE_NETWORKS)], rows[len(SOURCE_NETWORKS) :]
    findings = []
    for against in arms[1:]:
        for title, part in (("the source's networks at its resolutions", source), ("the small references", small)):
            findings.append(f"geometric mean over {title}: {shown(overall(part, against))} times {against}")
    return rows, findings
