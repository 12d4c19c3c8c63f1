"""What MLflow shows of a run: records translated into names, parameters, tags and metrics. Writes nothing.

Names come from users. So runs are found by a hexadecimal key, never by a name in a filter, and texts are cut to
MLflow's limits here. Values that are not finite are not logged: MLflow would store infinity as 1.797e308.
"""

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pipeline.cost.table import count_costs
from pipeline.errors import UsageError
from pipeline.evidence.records import Epoch, Measurement, Membership, Result, RunHeader, RunSpec, TestScore
from pipeline.files import canonical_json, sha256_text
from pipeline.schema import parse, to_json

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
Role = Literal["parent", "learning-rate", "seed", "single", "trial", "finalist"]

GROUP_EXPERIMENT = "run"
"""Experiment of the runs behind a GroupRecord: networks of the study, and arms of experiments."""
SEARCH_EXPERIMENT = "search"
"""Experiment of searches: one parent per study, one child per trial or finalist."""
REPORT_EXPERIMENT = "report"
"""Experiment of reports: one run per profile."""
ANSWERS: tuple[Role, ...] = ("learning-rate", "trial")
KEY, RUN, ROLE, PARENT_ID = "convstudy.key", "convstudy.run", "convstudy.role", "mlflow.parentRunId"
STATE, REASON, WEIGHTS = "convstudy.state", "convstudy.reason", "convstudy.weights_sha256"
FAMILY, DATA, PROFILE = "family", "data", "profile"
"""Tags that users filter by: tags.family = 'resnet'."""
EPOCH = "epoch"
"""Marks an epoch as logged: written last, in one transaction with the epoch's other metrics."""

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
    """An MLflow run: a network or study (role "parent"), or one training below it.

    Attributes:
        points: metrics known before the training, at step 0.
        data: name and fingerprint of its training data.
    """

    key: str
    experiment: str
    role: Role
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: tuple[Point, ...] = ()
    data: tuple[str, str] | None = None


@dataclass(frozen=True)
class Ending:
    """How a run ended: its status, and everything known only then. Times are milliseconds since 1970.

    A run stopped early because others were better is FINISHED: it neither failed nor was killed. Its tag
    convstudy.state says "stopped".
    """

    status: Literal["FINISHED", "FAILED"]
    history: tuple[Epoch, ...]
    points: tuple[Point, ...]
    tags: Mapping[str, str]
    start_ms: int
    end_ms: int

    def end_after(self, start_ms: int) -> int:
        """When the run ended, if MLflow shows its start at `start_ms`: always later, even if the clock went back."""
        return self.end_ms if self.end_ms > start_ms else start_ms + self.end_ms - self.start_ms

    def at(self, step: int) -> int:
        """When the epoch `step` ended, assuming that all epochs took equally long."""
        last = max(1, len(self.history))
        return self.start_ms + (self.end_ms - self.start_ms) * min(step, last) // last


def parent_entry(experiment: str, parent: str) -> Entry:
    """The parent run of a network, or of a study."""
    tags = {"convstudy.experiment": experiment, "convstudy.parent": parent}
    return _entry(_key("parent", experiment, parent), experiment, "parent", parent, {}, tags)


def run_entry(header: RunHeader, member: Membership, commit: str | None = None) -> Entry:
    """The child run of one membership; `commit` is the commit of the code that trains it."""
    spec = header.spec
    named: dict[Role, str] = {
        "seed": f"{member.parent}, seed {spec.seed}",
        "learning-rate": f"{member.parent}, learning rate {spec.recipe.learning_rate:g}, seed {spec.seed}",
        "single": header.name,
        "trial": header.name,
        "finalist": f"{header.name}, seed {spec.seed}",
    }
    fields = ("family", "channels", "classes", "resolution", "seed", "device", "protocol")
    params = {"name": header.name, **{field: text_of(getattr(spec, field)) for field in fields}}
    params |= _flat("config", spec.config) | _flat("recipe", to_json(spec.recipe))
    tags = {
        RUN: header.run,
        "convstudy.experiment": member.experiment,
        "convstudy.parent": member.parent,
        "convstudy.data": spec.data,
        FAMILY: spec.family,
        DATA: header.data_name,
    }
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
    key = _key(member.role, member.experiment, member.parent, header.run)
    entry = _entry(key, member.experiment, member.role, named[member.role], params, tags)
    points = (*_counts(canonical_json(_architecture(spec))), Point("base_learning_rate", spec.recipe.learning_rate, 0))
    return replace(entry, points=points, data=(_clean(header.data_name)[:500], _clean(spec.data)))


def _architecture(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in ("family", "config", "resolution", "channels", "classes")}


@functools.lru_cache(maxsize=256)  # the trainings of one network follow each other
def _counts(architecture: str) -> tuple[Point, ...]:
    """Parameters, MACs and activations of an architecture given as JSON; none where this version cannot build it."""
    import search_spaces  # which loads PyTorch

    given = json.loads(architecture)
    try:
        family = search_spaces.family(given["family"])
        config = parse(family.config, given["config"], "config")
        price = search_spaces.price(family, config, given["resolution"], given["channels"], given["classes"])
    except (UsageError, ValueError):
        return ()
    return tuple(Point(key, float(value), 0) for key, value in count_costs(price).items())


def run_ending(result: Result, measurement: Measurement | None, score: TestScore | None, written_ms: int) -> Ending:
    """How a run ended; `written_ms`, when its result was written, dates a run without a measurement."""
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
        cut(tags),
        start_ms,
        end_ms,
    )


def epoch_points(history: Iterable[Epoch], after: int) -> tuple[list[Point], list[str]]:
    """The metrics of the epochs later than `after`, and a line for each value that is not finite and so not logged."""
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


def parent_status(children: Sequence[tuple[str, str]]) -> Status:
    """A parent's status from the (role, status) of its children.

    A learning rate or a trial that diverges is a result, not a failure of the parent, unless all of them failed. A
    parent without runs was killed before its first.
    """
    statuses = {status for _, status in children} or {"KILLED"}
    if "RUNNING" in statuses:
        return "RUNNING"
    if statuses == {"FAILED"} or any(role not in ANSWERS and status == "FAILED" for role, status in children):
        return "FAILED"
    return "KILLED" if "KILLED" in statuses else "FINISHED"


def reason_tag(reason: str) -> dict[str, str]:
    """The tag that says why a run failed."""
    return cut({REASON: reason})


def refusal_tag(refused: Sequence[str]) -> dict[str, str]:
    """The tag that says which values were not logged, and why."""
    return cut({"convstudy.not_logged": "; ".join(refused)}) if refused else {}


def _entry(
    key: str, experiment: str, role: Role, name: str, params: Mapping[str, str], tags: Mapping[str, str]
) -> Entry:
    source = {"mlflow.source.name": "convstudy", "mlflow.source.type": "LOCAL"}
    clean = {re.sub(r"[^\w.\- :]", "_", name)[:250]: _clean(text)[:_PARAM_CHARACTERS] for name, text in params.items()}
    return Entry(key, experiment, role, printable(name), clean, cut({KEY: key, ROLE: role, **tags, **source}))


def _key(*parts: str) -> str:
    return sha256_text(canonical_json(parts))[:32]


def _flat(prefix: str, value: Any) -> dict[str, str]:
    """Nested dictionaries as dotted names: {"config": {"depth": 3}} becomes {"config.depth": "3"}."""
    if not isinstance(value, dict):
        return {prefix: text_of(value)}
    return {name: text for key, inner in value.items() for name, text in _flat(f"{prefix}.{key}", inner).items()}


def text_of(value: Any) -> str:
    """A value as MLflow shows it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else canonical_json(value)


def printable(name: str) -> str:
    """`name` as one printable line of limited length; a changed name gets a hash, so that names stay distinct."""
    line = "".join(letter if letter.isprintable() else " " for letter in _clean(name))
    if line == name and 0 < len(name) <= _NAME_CHARACTERS:
        return name
    return f"{line[: _NAME_CHARACTERS - 10]} ~{sha256_text(canonical_json(name))[:8]}"


def _clean(text: str) -> str:
    """`text` without characters that UTF-8 cannot encode (lone surrogates, from undecodable file names)."""
    return text.encode("utf-8", "replace").decode()


def cut(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags within MLflow's limits."""
    return {key: _clean(text)[:_TAG_CHARACTERS] for key, text in tags.items()}


def _milliseconds(moment: str) -> int | None:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return None
