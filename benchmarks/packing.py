"""Packing: trainings per hour, one training per core against one at a time with all threads."""

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.arms import Case, engine, processes, small_networks, textbook
from benchmarks.records import Row, overall, row, shown
from pipeline.machine import cores

IMAGES = 3200


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Train each small reference once per core: packed, one at a time, and one at a time with the textbook trainer."""
    count = cores()
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in small_networks()}
    workers = [f"worker {number}" for number in range(count)]
    with processes(["alone", "textbook", *workers]) as pools:
        for repeat in range(repeats):
            for name, series in seen.items():
                cases = [Case(name, IMAGES, 64, data, seed=seed) for seed in range(1, count + 1)]
                packed = [Case(name, IMAGES, 64, data, seed=seed, threads=1) for seed in range(1, count + 1)]
                started = time.perf_counter()
                futures = [pools[worker].submit(engine, case) for worker, case in zip(workers, packed, strict=True)]
                for future in futures:
                    future.result()
                together = time.perf_counter() - started
                started = time.perf_counter()
                for case in cases:
                    pools["alone"].submit(engine, case).result()
                alone = time.perf_counter() - started
                started = time.perf_counter()
                for case in cases:
                    pools["textbook"].submit(textbook, case).result()
                by_the_book = time.perf_counter() - started
                for arm, seconds in (("packed", together), ("one at a time", alone), ("textbook", by_the_book)):
                    series.setdefault(arm, []).append(3600 * count / seconds)
                tell(f"packing {repeat + 1}/{repeats}, {name}: {alone / together:.2f}, {by_the_book / together:.2f}")
    rows = [row(name, "trainings/hour", series) for name, series in seen.items()]
    return rows, [
        f"geometric mean: packed {shown(overall(rows, against))} times {against}"
        for against in ("one at a time", "textbook")
    ]
