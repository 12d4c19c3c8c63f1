"""Generated tables of speed: from the rows of the published benchmarks."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.growth import IMAGES, STORED_RUNS
from benchmarks.records import Benchmark, Row, overall
from benchmarks.searching import MOST_MS_OF_AUTO, MOST_OWN_MS, OWN, REPORT
from benchmarks.start_up import IDLE_SECONDS, QUICK_SECONDS, SMOKE_SECONDS
from pipeline.evidence.records import Interval
from pipeline.evidence.statistics import mean_interval
from pipeline.publishing.reference import table
from pipeline.schema import read_record

BENCHMARKS = (
    *("throughput", "packing", "study", "overhead", "limit", "accuracy", "growth", "searching", "cards", "start_up"),
)
TRIALS = (100, 2_000, 10_000)


def speed_parts(published: Path) -> dict[str, str]:
    """Name -> generated part about speed."""
    found = {name: read_record(Benchmark, published / "benchmarks" / f"{name}.json") for name in BENCHMARKS}
    return {
        "fast": _fast(found),
        "speed": _speed(found["throughput"]),
        "further": _further(found),
        "trials": _trials(found["searching"]),
        "start": _start(found["start_up"]),
        "cards": _cards(found["cards"]),
    }


def between(interval: tuple[float, float] | None, digits: str = ".2f") -> str:
    """An interval as "0.50 to 1.20"; empty if there is none."""
    return f"{interval[0]:{digits}} to {interval[1]:{digits}}" if interval else ""


def _fast(found: dict[str, Benchmark]) -> str:
    """A summary of training speed."""
    throughput = found["throughput"]
    source = [row for row in throughput.rows if not row.case.endswith("-small")]
    small = [row for row in throughput.rows if row.case.endswith("-small")]
    packed = overall(found["packing"].rows, "textbook")
    ratios: list[tuple[str, str, Interval]] = [
        (f"the source's {len(source)} networks", "textbook trainer", overall(source, "textbook")),
        (f"the source's {len(source)} networks", "PyTorch Lightning", overall(source, "lightning")),
        (f"{len(small)} small networks", "textbook trainer", overall(small, "textbook")),
        (f"{len(small)} small networks", "PyTorch Lightning", overall(small, "lightning")),
        ("small networks, one training per core", "textbook trainer", packed),
    ]
    rows = [(what, than, f"{ratio.mean:.1f}", between(ratio.interval, ".1f")) for what, than, ratio in ratios]
    accuracy = _differences(found["accuracy"], "convstudy", "textbook")
    assert accuracy.interval is not None
    return (
        f"{table(('training', 'against', 'times as fast', '95 % interval'), rows, 2)}\n\n{_machine(throughput)}, "
        f"n = {packed.n} repeats of each measurement. After equally many epochs in float32, convstudy's validation "
        f"error minus the textbook trainer's is {accuracy.mean:+.2f} points (95 % interval "
        f"{between(accuracy.interval, '+.2f')}, n = {accuracy.n} seeds)."
    )


def _speed(benchmark: Benchmark) -> str:
    arms = list(benchmark.rows[0].ratios)
    titles = ["network", "images/s", *(title for arm in arms for title in (f"times {arm}", "95 % interval"))]
    rows = []
    for row in benchmark.rows:
        ours = row.median(next(iter(row.arms)))
        cells = [row.case, f"{ours:,.0f}" if ours >= 100 else f"{ours:.1f}"]
        for arm in arms:
            cells += [f"{row.ratios[arm].mean:.2f}", between(row.ratios[arm].interval)]
        rows.append(cells)
    n = next(iter(benchmark.rows[0].ratios.values())).n
    return f"{table(titles, rows, 1)}\n\n{_machine(benchmark)}, n = {n} repeats; medians of images/s."


def _machine(benchmark: Benchmark) -> str:
    hardware = benchmark.hardware
    cores = f"{hardware['cores']} cores, {hardware['instruction_set']}"
    return f"{hardware['processor']} ({cores}), torch {benchmark.versions['torch']}"


def _further(found: dict[str, Benchmark]) -> str:
    """Questions about speed other than that of one training: one value each."""
    growth = {row.case: row for row in found["growth"].rows}
    images, runs = (IMAGES[0], IMAGES[-1]), (STORED_RUNS[0], STORED_RUNS[-1])
    small, large = (growth[f"memory of an epoch, {count:,} images"].median("own") for count in images)
    few, many = (growth[f"look-up of a run among {count:,}"].median("convstudy") for count in runs)
    pricing = next(row for row in found["searching"].rows if row.unit == "designs/s")
    rows = [
        ("one training per core, against one at a time on all cores: trainings per hour",
         *_ratio(overall(found["packing"].rows, "one at a time"))),
        ("the trainings of `make study`, against the textbook trainer's estimated time: times as fast",
         *_ratio(found["study"].rows[0].ratios["textbook, estimated"])),
        ("a training with run store, checkpoints and MLflow, against the bare loop: times as long",
         *_ratio(found["overhead"].rows[0].ratios["whole pipeline"])),
        *((f"speed of a training step in {precision}, as a share of the roofline", *_share(found["limit"], precision))
          for precision in ("float32", "bfloat16")),
        ("validation error in bfloat16 minus that in float32, points",
         *_ratio(_differences(found["accuracy"], "bfloat16", "float32"), "+.2f")),
        (f"memory of an epoch of {images[1]:,} images, minus that of {images[0]:,}, MiB",
         f"{large - small:.0f}", "", ""),
        (f"look-up of a run among {runs[1]:,}, against among {runs[0]:,}: times as long", f"{many / few:.2f}", "", ""),
        ("designs whose cost is counted per second", f"{pricing.median('convstudy'):,.0f}", "", ""),
    ]  # fmt: skip
    machines = dict.fromkeys(_machine(benchmark) for name, benchmark in found.items() if name != "cards")
    return f"{table(('question', 'value', '95 % interval', 'n'), rows, 1)}\n\nMachines: {'; '.join(machines)}."


def _ratio(found: Interval, digits: str = ".2f") -> tuple[str, str, str]:
    return f"{found.mean:{digits}}", between(found.interval, digits), str(found.n)


def _share(limit: Benchmark, precision: str) -> tuple[str, str, str]:
    steps = [row for row in limit.rows if row.case.startswith(f"{precision}, ") and "step" in row.ratios]
    slower = overall(steps, "step")
    assert slower.interval is not None
    low, high = (100 / end for end in reversed(slower.interval))
    return f"{100 / slower.mean:.0f} %", f"{low:.0f} to {high:.0f} %", str(slower.n)


def _differences(accuracy: Benchmark, first: str, second: str) -> Interval:
    """The mean difference of errors over networks, with its interval over seeds."""
    rows = [row for row in accuracy.rows if row.case.endswith(f"{first} and {second}")]
    by_seed = zip(*(_pairs(row, first, second) for row in rows), strict=True)
    found = mean_interval([statistics.mean(differences) for differences in by_seed])
    assert found is not None
    return found


def _pairs(row: Row, first: str, second: str) -> list[float]:
    return [one - other for one, other in zip(row.arms[first], row.arms[second], strict=True)]


def _trials(benchmark: Benchmark) -> str:
    """What grows with the number of trials of a study."""
    medians = {(row.case, arm): row.median(arm) for row in benchmark.rows for arm in row.arms}
    measured: Sequence[tuple[str, str, str, Callable[[float], str], str]] = [
        ("the driver's own work for a trial, ms", OWN, "convstudy", "{:.0f}".format, f"{MOST_OWN_MS} at 2,000"),
        ("drawing the next design with tpe, ms", "ask at", "tpe", "{:.0f}".format, f"{MOST_MS_OF_AUTO} at 2,000"),
        ("drawing the next design with qmc, ms", "ask at", "qmc", "{:.0f}".format, f"{MOST_MS_OF_AUTO} at 2,000"),
        ("drawing the next design with gp, ms", "ask at", "gp", "{:,.0f}".format, ""),
        ("the study's part of the report, s", REPORT, "convstudy", "{:.1f}".format, ""),
        ("the database, MiB", "space of a study of", "database", "{:.0f}".format, ""),
        ("memory of the process, MiB", "space of a study of", "memory", "{:,.0f}".format, ""),
    ]
    rows = []
    for what, case, arm, shown, limit in measured:
        values = [medians.get((f"{case} {size:,}", arm)) for size in TRIALS]
        rows.append((what, *("not measured" if value is None else shown(value) for value in values), limit))
    titles = ("what", *(f"{size:,} trials" for size in TRIALS), "limit")
    return f"{table(titles, rows, 1)}\n\n{_machine(benchmark)}."


def _start(benchmark: Benchmark) -> str:
    """Seconds of whole profiles, and of stages that have nothing to do."""
    limits = {"profile smoke": SMOKE_SECONDS, "profile quick": QUICK_SECONDS}
    rows = []
    for row in benchmark.rows:
        if row.unit == "s":
            cpu = f"{row.median('cpu'):.1f}" if "cpu" in row.arms else ""
            limit = IDLE_SECONDS if row.case.startswith("stage ") else limits.get(row.case, "")
            rows.append((row.case, f"{row.median('wall'):.1f}", cpu, str(limit), str(len(row.arms["wall"]))))
    return f"{table(('what', 'seconds', 'CPU seconds', 'target, seconds', 'n'), rows, 1)}\n\n{_machine(benchmark)}."


def _cards(benchmark: Benchmark) -> str:
    """Trainings per hour by the number of trainings that run at once on a card."""
    rows = []
    for row in benchmark.rows:
        if row.ratios:
            ours = next(iter(row.arms))
            speeds = {arm: row.median(arm) for arm in row.arms}
            for arm, speed in sorted(speeds.items(), key=lambda item: int(item[0].split()[0])):
                ratio = row.ratios.get(arm)
                cells = (f"{ratio.mean:.2f}", between(ratio.interval)) if ratio else ("1", "")
                at_once = arm.removesuffix(" at once") + (" (default)" if arm == ours else "")
                rows.append((row.case, at_once, f"{speed:,.0f}", *cells))
    titles = ("training", "at once", "trainings per hour", "speed of the default relative to this", "95 % interval")
    n = next(iter(benchmark.rows[0].ratios.values())).n
    return f"{table(titles, rows, 1)}\n\n{benchmark.hardware['gpu']}, n = {n} repeats."
