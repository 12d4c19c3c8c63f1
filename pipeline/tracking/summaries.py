"""What a parent run shows about all its children: results of a network, of a study, or of a report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from pipeline.cost.records import CostProfile
from pipeline.evidence.records import NetworkRecord
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import canonical_json
from pipeline.schema import to_json
from pipeline.tracking.content import DATA, FAMILY, PROFILE, Point, cut, text_of

Files = Mapping[str, Sequence[Path]]
"""Files by the folder in which MLflow shows them."""


@dataclass(frozen=True)
class Summary:
    """The content of a parent run.

    Attributes:
        points: metrics at step 0.
        tags: texts to show and to filter by.
        files: artifacts.
        series: metrics over steps 1, 2, …
        children: further metrics of child runs, by the run's address in the run store.
    """

    points: Mapping[str, float]
    tags: Mapping[str, str]
    files: Files = field(default_factory=dict)
    series: tuple[Point, ...] = ()
    children: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def network_summary(
    record: NetworkRecord,
    data: str,
    figures: Sequence[Path] = (),
    profile: str = "",
    costs: CostProfile | None = None,
) -> Summary:
    """A network's costs, its mean scores on a data set, and its flags.

    A network trained on several data sets, or with several recipes, has one parent: its tags say which of them the
    numbers belong to.

    Args:
        record: the network's results.
        data: name of the data set.
        figures: pictures to show.
        profile: name of the profile that trained it, if known.
        costs: its measured costs, if any.
    """
    points: dict[str, float] = {"params": record.params, "macs": record.macs, "activations": record.activations}
    points["base_learning_rate"] = record.recipe.learning_rate
    for name in ("validation_error_percent", "test_error_percent", "train_seconds"):
        summary = getattr(record, name)
        if summary is not None:
            points |= {name: summary.mean, f"{name}_n": summary.n}
            if summary.interval is not None:
                points |= {f"{name}_low": summary.interval[0], f"{name}_high": summary.interval[1]}
    measured = _measured(costs)
    tags = {
        FAMILY: record.family,
        DATA: data,
        "convstudy.flags": ", ".join(record.flags),
        "convstudy.recipe": canonical_json(to_json(record.recipe)),
    }
    if profile:
        tags[PROFILE] = profile
    runs = [run.run for run in record.runs] + [rate.run for rate in record.rates]
    return Summary(
        finite({**points, **measured}),
        cut(tags),
        {"figures": figures} if figures else {},
        children=dict.fromkeys(runs, measured) if measured else {},
    )


def _measured(costs: CostProfile | None) -> dict[str, float]:
    if costs is None:
        return {}
    found = {"latency_seconds": (costs.latency_seconds or {}).get("1"), "train_memory_bytes": costs.train_memory_bytes}
    return {name: float(value) for name, value in found.items() if value is not None}


def study_summary(record: StudyRecord, files: Files) -> Summary:
    """A study's counts, the course of its hypervolume and of its lowest error, and all costs of its trials."""
    points: dict[str, float] = {name: getattr(record, name) for name in ("counted", "refused", "duplicates")}
    points |= {"front": len(record.front), **to_json(record.compute)}
    points |= {"validation_error_percent": record.front_trials[0].errors[-1]} if record.front else {}
    shown = ("state", "space", "data", "objectives", "limits", "budget", "seed", "sampler", "front")
    tags = {f"convstudy.{name}": text_of(getattr(record, name)) for name in shown}
    tags |= {FAMILY: ",".join(record.space), DATA: record.data}
    errors = (trial.errors[-1] if trial.state == "complete" else math.inf for trial in record.trials)
    courses = {"hypervolume": record.hypervolume, "best_error_percent": tuple(accumulate(errors, min))}
    steps = zip(*courses.values(), strict=True)  # ordered by step, so that a study that goes on only adds to them
    series = [
        Point(name, value, step)
        for step, values in enumerate(steps, 1)
        for name, value in zip(courses, values, strict=True)
        if math.isfinite(value)
    ]
    children = {trial.run: {key: float(value) for key, value in trial.costs.items()} for trial in record.trials}
    return Summary(finite(points), cut(tags), files, tuple(series), children)


def finite(points: Mapping[str, float]) -> dict[str, float]:
    """The metrics that MLflow can store."""
    return {name: float(value) for name, value in points.items() if math.isfinite(value)}
