"""Records of benchmarks: rows with one series of values per arm, and ratios of arms with intervals."""

import datetime
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal

from pydantic.dataclasses import dataclass

from pipeline.evidence.records import Interval
from pipeline.evidence.statistics import mean_interval
from pipeline.files import write_json
from pipeline.machine import hardware, resolve_device, versions
from pipeline.schema import STRICT, to_json


@dataclass(frozen=True, config=STRICT)
class Row:
    """One case, measured several times; each repeat measures all arms in turn.

    Attributes:
        arms: arm -> its values, one per repeat.
        ratios: arm -> how many times better the first arm is: geometric mean of the ratios within repeats, with a 95 %
            interval (Student's t, on logarithms).
        better: whether higher or lower values are better; None if arms are not compared.
    """

    case: str
    unit: str
    arms: dict[str, tuple[float, ...]]
    better: Literal["higher", "lower"] | None = "higher"
    ratios: dict[str, Interval] = field(default_factory=dict)
    note: str = ""

    def median(self, arm: str) -> float:
        """The median of an arm's values."""
        return statistics.median(self.arms[arm])


@dataclass(frozen=True, config=STRICT)
class Benchmark:
    """`<name>.json`: one benchmark on one machine. `findings`: results as sentences."""

    schema: Literal["benchmark/1"]
    name: str
    rows: tuple[Row, ...]
    findings: tuple[str, ...]
    hardware: dict[str, str]
    versions: dict[str, str]
    finished_at: str


def row(
    case: str,
    unit: str,
    arms: Mapping[str, Sequence[float]],
    better: Literal["higher", "lower"] | None = "higher",
    note: str = "",
) -> Row:
    """A row with the ratios of its first arm to each of the others."""
    first, *others = arms
    ratios = {}
    if better is not None:
        for other in others:
            pairs = zip(arms[first], arms[other], strict=True)
            logs = [math.log(ours / theirs if better == "higher" else theirs / ours) for ours, theirs in pairs]
            ratios[other] = geometric(logs)
    return Row(case, unit, {arm: tuple(values) for arm, values in arms.items()}, better, ratios, note)


def geometric(logs: Sequence[float]) -> Interval:
    """The geometric mean of values given as logarithms, with its interval."""
    interval = mean_interval(logs)
    assert interval is not None
    low_high = interval.interval and (math.exp(interval.interval[0]), math.exp(interval.interval[1]))
    return Interval(math.exp(interval.mean), low_high, interval.n)


def overall(rows: Sequence[Row], against: str) -> Interval:
    """The geometric mean over rows of the first arm's ratio to another arm, with its interval over repeats."""
    logs = []
    for series in zip(*(_log_ratios(row, against) for row in rows), strict=True):
        logs.append(statistics.mean(series))
    return geometric(logs)


def _log_ratios(row: Row, against: str) -> list[float]:
    ours = next(iter(row.arms.values()))
    sign = 1 if row.better == "higher" else -1
    return [sign * math.log(a / b) for a, b in zip(ours, row.arms[against], strict=True)]


def finish(name: str, rows: Sequence[Row], findings: Sequence[str], folder: Path) -> Benchmark:
    """Write the record of a finished benchmark into `folder`, and return it."""
    benchmark = Benchmark(
        schema="benchmark/1",
        name=name,
        rows=tuple(rows),
        findings=tuple(findings),
        hardware=hardware(resolve_device()),
        versions=versions(),
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    write_json(folder / f"{name}.json", to_json(benchmark))
    return benchmark


def shown(interval: Interval) -> str:
    """An interval as "2.31 [2.25, 2.38] (n=5)"."""
    between = f" [{interval.interval[0]:.2f}, {interval.interval[1]:.2f}]" if interval.interval else ""
    return f"{interval.mean:.2f}{between} (n={interval.n})"


def table(benchmark: Benchmark) -> str:
    """A benchmark as text: medians of all arms, ratios and findings."""
    lines = [f"{benchmark.name}: {', '.join(benchmark.hardware.values())}; torch {benchmark.versions.get('torch')}"]
    for item in benchmark.rows:
        values = ", ".join(f"{arm} {item.median(arm):,.4g}" for arm in item.arms)
        ratios = "; ".join(f"{shown(ratio)} times {arm}" for arm, ratio in item.ratios.items())
        lines.append(f"  {item.case}: {values} {item.unit}" + (f": {ratios}" if ratios else ""))
    return "\n".join([*lines, *(f"  {finding}" for finding in benchmark.findings)])
