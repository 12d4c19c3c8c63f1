"""What MLflow shows of a run: records translated into names, parameters, tags and metric points; writes nothing.

Names are a stranger's input. Runs are therefore found by a hexadecimal key, never by a name in a filter, and texts
are cut to MLflow's limits here, so that MLflow has no reason to refuse them. Non-finite values are no points:
MLflow would store infinity as 1.797e308.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pipeline.evidence.records import Epoch, Measurement, Membership, NetworkRecord, Result, RunHeader, TestScore
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import canonical_json, sha256_text
from pipeline.schema import to_json

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
Role = Literal["parent", "learning-rate", "seed", "single", "trial", "finalist"]

EXPERIMENT_PREFIX = "convstudy/"
GROUP_EXPERIMENT = "run"
"""The experiment of the runs that a GroupRecord rests on: the stage that writes it."""
SEARCH_EXPERIMENT = "search"
"""The experiment of searches: a parent a study, a child a trial."""
REPORT_EXPERIMENT = "report"
"""The experiment of reports: a run a profile."""
ANSWERS: tuple[Role, ...] = ("learning-rate", "trial")
KEY, RUN, ROLE, PARENT_ID = "convstudy.key", "convstudy.run", "convstudy.role", "mlflow.parentRunId"
STATE, REASON, WEIGHTS = "convstudy.state", "convstudy.reason", "convstudy.weights_sha256"
EPOCH = "epoch"
"""The metric that marks an epoch as logged: written last, in one transaction with the epoch's other points."""

_NAME_CHARACTERS, _PARAM_CHARACTERS, _TAG_CHARACTERS = 200, 6000, 8000
_EPOCH_METRICS = ("train_loss", "validation_loss", "validation_error_percent", "learning_rate", "gradient_norm")
_MEASURED = ("train_seconds", "evaluation_seconds", "wall_seconds", "peak_memory_bytes", "attempts")


@dataclass(frozen=True)
class Point:
    """One value of one metric; `step` counts epochs."""

    key: str
    value: float
    step: int


@dataclass(frozen=True)
class Entry:
    """One MLflow run to be: a network (role "parent"), or one membership of a trained run under its network."""

    key: str
    experiment: str
    role: Role
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    data: tuple[str, str] | None = None
    """Name and fingerprint of the data set it is trained on."""


@dataclass(frozen=True)
class Ending:
    """How a run ended: its status and all that is known only then. Times are milliseconds since 1970.

    A run that was stopped early because others were better has FINISHED: MLflow has no word of its own for it, and it
    neither failed nor was killed; the tag convstudy.state tells it apart.
    """

    status: Literal["FINISHED", "FAILED"]
    history: tuple[Epoch, ...]
    points: tuple[Point, ...]
    tags: Mapping[str, str]
    start_ms: int
    end_ms: int

    def end_after(self, start_ms: int) -> int:
        """When the run ended, if it was shown as begun at `start_ms`: later, also where a clock went back meanwhile."""
        return self.end_ms if self.end_ms > start_ms else start_ms + self.end_ms - self.start_ms

    def at(self, step: int) -> int:
        """When the epoch `step` ended, taking all epochs as equally long."""
        last = max(1, len(self.history))
        return self.start_ms + (self.end_ms - self.start_ms) * min(step, last) // last


def experiment_name(experiment: str) -> str:
    """MLflow's name for a stage's experiment."""
    return EXPERIMENT_PREFIX + _shown(experiment)


def parent_entry(experiment: str, parent: str) -> Entry:
    """The parent run of a network, or of a study."""
    tags = {"convstudy.experiment": experiment, "convstudy.parent": parent}
    return _entry(_key("parent", experiment, parent), experiment, "parent", parent, {}, tags)


def run_entry(header: RunHeader, member: Membership, commit: str | None = None) -> Entry:
    """The child run of one membership; `commit` is that of the code that trains it."""
    spec = header.spec
    named: dict[Role, str] = {
        "seed": f"{member.parent}, seed {spec.seed}",
        "learning-rate": f"{member.parent}, learning rate {spec.recipe.learning_rate:g}, seed {spec.seed}",
        "single": header.name,
        "trial": header.name,
        "finalist": f"{header.name}, seed {spec.seed}",
    }
    fields = ("family", "channels", "classes", "resolution", "seed", "device", "protocol")
    params = {"name": header.name, **{field: _text(getattr(spec, field)) for field in fields}}
    params |= _flat("config", spec.config) | _flat("recipe", to_json(spec.recipe))
    tags = {
        RUN: header.run,
        "convstudy.experiment": member.experiment,
        "convstudy.parent": member.parent,
        "convstudy.data": spec.data,
        "convstudy.data_name": header.data_name,
    }
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
    key = _key(member.role, member.experiment, member.parent, header.run)
    entry = _entry(key, member.experiment, member.role, named[member.role], params, tags)
    return replace(entry, data=(_clean(header.data_name)[:500], _clean(spec.data)))


def run_ending(result: Result, measurement: Measurement | None, score: TestScore | None, written_ms: int) -> Ending:
    """How a run ended; `written_ms`, the age of its result, dates a run without a measurement."""
    last = len(result.history)
    points: list[Point] = []
    tags: dict[str, str] = {STATE: result.state}
    end_ms, start_ms = written_ms, written_ms
    if result.reason is not None:
        tags[REASON] = result.reason
    if result.weights_sha256 is not None:
        tags[WEIGHTS] = result.weights_sha256
    if score is not None:
        points += [
            Point("test_error_percent", score.test_error_percent, last),
            Point("test_loss", score.test_loss, last),
        ]
    if measurement is not None:
        points += [Point("images_per_second", rate, step) for step, rate in enumerate(measurement.images_per_second, 1)]
        points += [Point(name, float(getattr(measurement, name)), last) for name in _MEASURED]
        if measurement.micro_batches > 1:
            tags["convstudy.micro_batches"] = str(measurement.micro_batches)
        tags["convstudy.hardware"] = canonical_json(measurement.hardware)
        tags["convstudy.versions"] = canonical_json(measurement.versions)
        if "commit" in measurement.versions:
            tags["mlflow.source.git.commit"] = measurement.versions["commit"]
        end_ms = _milliseconds(measurement.finished_at) or written_ms
        start_ms = end_ms - round(1000 * measurement.wall_seconds)
    return Ending(
        "FAILED" if result.state == "failed" else "FINISHED",
        result.history,
        tuple(point for point in points if math.isfinite(point.value)),
        _cut(tags),
        start_ms,
        end_ms,
    )


def epoch_points(history: Iterable[Epoch], after: int) -> tuple[list[Point], list[str]]:
    """The points of the epochs later than `after`, and a line for each value that is not finite, hence not logged."""
    points: list[Point] = []
    refused: list[str] = []
    for epoch in history:
        if epoch.epoch <= after:
            continue
        for name in _EPOCH_METRICS:
            value = getattr(epoch, name)
            if math.isfinite(value):
                points.append(Point(name, value, epoch.epoch))
            else:
                refused.append(f"{name} is {value} at epoch {epoch.epoch}")
        points.append(Point(EPOCH, epoch.epoch, epoch.epoch))
    return points, refused


@dataclass(frozen=True)
class Summary:
    """What a parent run says of all its children: numbers, tags, and files by the folder they are shown in."""

    points: Mapping[str, float]
    tags: Mapping[str, str]
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)


def network_summary(record: NetworkRecord, data: str, figures: Sequence[Path] = ()) -> Summary:
    """A network's costs and summary scores on a data set, and what a reader must know.

    A network that was trained on several data sets, or by several recipes, has one parent: the tags say of which the
    numbers are.
    """
    points: dict[str, float] = {"params": record.params, "macs": record.macs, "activations": record.activations}
    for name in ("validation_error_percent", "test_error_percent", "train_seconds"):
        summary = getattr(record, name)
        if summary is not None:
            points |= {name: summary.mean, f"{name}_n": summary.n}
            if summary.interval is not None:
                points |= {f"{name}_low": summary.interval[0], f"{name}_high": summary.interval[1]}
    tags = {
        "convstudy.family": record.family,
        "convstudy.flags": ", ".join(record.flags),
        "convstudy.data_name": data,
        "convstudy.recipe": canonical_json(to_json(record.recipe)),
    }
    return Summary(finite(points), _cut(tags), {"figures": figures} if figures else {})


def study_summary(record: StudyRecord, files: Mapping[str, Sequence[Path]]) -> Summary:
    """A study's counts, hypervolume and lowest error."""
    points: dict[str, float] = {name: getattr(record, name) for name in ("counted", "refused", "duplicates")}
    points |= {"front": len(record.front), **to_json(record.compute)}
    points |= {"hypervolume": record.hypervolume[-1]} if record.hypervolume else {}
    points |= {"validation_error_percent": min(trial.errors[-1] for trial in record.complete)} if record.front else {}
    shown = ("state", "space", "data", "objectives", "limits", "budget", "seed", "sampler", "front")
    return Summary(finite(points), _cut({f"convstudy.{name}": _text(getattr(record, name)) for name in shown}), files)


def finite(points: Mapping[str, float]) -> dict[str, float]:
    """The points that MLflow can store."""
    return {name: float(value) for name, value in points.items() if math.isfinite(value)}


def parent_status(children: Sequence[tuple[str, str]]) -> Status:
    """A parent's status from the (role, status) of its children.

    A learning rate that diverges is an answer of the grid, and a network that does one of the search, no failure of
    their parent; they count only if all failed. A parent without runs was killed before its first.
    """
    statuses = {status for _, status in children} or {"KILLED"}
    if "RUNNING" in statuses:
        return "RUNNING"
    if statuses == {"FAILED"} or any(role not in ANSWERS and status == "FAILED" for role, status in children):
        return "FAILED"
    return "KILLED" if "KILLED" in statuses else "FINISHED"


def reason_tag(reason: str) -> dict[str, str]:
    """The tag that says why a run failed."""
    return _cut({REASON: reason})


def refusal_tag(refused: Sequence[str]) -> dict[str, str]:
    """The tag that says which values were not logged, and why."""
    return _cut({"convstudy.not_logged": "; ".join(refused)}) if refused else {}


def _entry(
    key: str, experiment: str, role: Role, name: str, params: Mapping[str, str], tags: Mapping[str, str]
) -> Entry:
    source = {"mlflow.source.name": "convstudy", "mlflow.source.type": "LOCAL"}
    clean = {re.sub(r"[^\w.\- :]", "_", name)[:250]: _clean(text)[:_PARAM_CHARACTERS] for name, text in params.items()}
    return Entry(key, experiment, role, _shown(name), clean, _cut({KEY: key, ROLE: role, **tags, **source}))


def _key(*parts: str) -> str:
    return sha256_text(canonical_json(parts))[:32]


def _flat(prefix: str, value: Any) -> dict[str, str]:
    """Nested dictionaries as dotted names: {"config": {"depth": 3}} becomes {"config.depth": "3"}."""
    if not isinstance(value, dict):
        return {prefix: _text(value)}
    return {name: text for key, inner in value.items() for name, text in _flat(f"{prefix}.{key}", inner).items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _shown(name: str) -> str:
    """`name` as one printable line of bounded length; a changed one bears a hash, so that no two become one."""
    line = "".join(letter if letter.isprintable() else " " for letter in _clean(name))
    if line == name and 0 < len(name) <= _NAME_CHARACTERS:
        return name
    return f"{line[: _NAME_CHARACTERS - 10]} ~{sha256_text(canonical_json(name))[:8]}"


def _clean(text: str) -> str:
    """`text` without what UTF-8 cannot say (lone surrogates, from undecodable file names)."""
    return text.encode("utf-8", "replace").decode()


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: _clean(text)[:_TAG_CHARACTERS] for key, text in tags.items()}


def _milliseconds(moment: str) -> int | None:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None
