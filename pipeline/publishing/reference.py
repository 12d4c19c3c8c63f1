"""Generates the reference pages from the code: commands with options, and schemas of files."""

import dataclasses
import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_origin

import typer.main
from pydantic import BaseModel

from pipeline.claims.timings.plans import TimingRecord
from pipeline.claims.verdicts import ClaimVerdict
from pipeline.cost.records import CostProfile
from pipeline.data.manifest import Manifest
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.population import PopulationTable
from pipeline.evidence.records import GroupRecord, Measurement, ProbeRecord, Result, RunHeader, TestScore
from pipeline.evidence.study_records import StudyRecord
from pipeline.verbs.app import GROUPS, app, name_of

FILES: dict[str, tuple[type[Any], str]] = {
    "data/prepared/NAME/manifest.json": (Manifest, "A prepared data set."),
    "runs/HASH/run.json": (RunHeader, "The specification of a run, and the studies that use it."),
    "runs/HASH/result.json": (Result, "The outcome of a run. Repeats on the same machine give the same result."),
    "runs/HASH/measurement.json": (Measurement, "Times and memory of the run on this machine."),
    "runs/HASH/test.json": (TestScore, "The run's score on the test split."),
    "runs/HASH/probes.json": (ProbeRecord, "Further measurements on the run's weights."),
    "reports/results/runs/FAMILY.json": (GroupRecord, "Networks trained under one protocol."),
    "reports/results/experiments/NAME.json": (GroupRecord, "The arms of an experiment, in the same format."),
    "reports/results/profiles/FAMILY.json": (CostProfile, "A list: the cost of each network."),
    "reports/results/timings/NAME.json": (TimingRecord, "The arms of a timing."),
    "reports/results/studies/FAMILY.json": (StudyRecord, "A search; also `search --json` and `status --json`."),
    "reports/results/finalists/FAMILY.json": (FinalistsRecord, "The finalists of a search; also `finalists --json`."),
    "reports/results/claims.json": (ClaimVerdict, "A list of verdicts; also `claims --json`."),
    "reports/published/population/table.json": (PopulationTable, "The published population of trained networks."),
}
"""JSON files for other programs: path -> (type, meaning)."""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> str:
    """A Markdown table. Columns from index `numbers` on are right-aligned."""
    rule = "".join("--:|" if numbers is not None and index >= numbers else "---|" for index in range(len(titles)))
    return "\n".join([f"| {' | '.join(titles)} |", f"|{rule}", *(f"| {' | '.join(row)} |" for row in rows)])


def commands() -> str:
    """All verbs with usage, options, defaults and examples, grouped as in `convstudy --help`."""
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    parts = []
    for group, functions in GROUPS.items():
        parts.append(f"## {group}")
        for function in functions:
            parts += _command(known[name_of(function)], function.examples)  # type: ignore[attr-defined]
    return "\n\n".join(parts)


def _command(command: Any, examples: Sequence[str]) -> list[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join([f"convstudy {command.name}", *(_shown(argument) for argument in arguments)])
    rows = [(f"`{_shown(argument)}`", _cell(argument.help or ""), _default(argument)) for argument in arguments]
    for option in options:
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        rows.append((names, _cell(option.help or ""), _default(option)))
    code = "\n".join(examples)
    return [f"### `{usage}`", inspect.cleandoc(command.help or ""), table(("", "meaning", "default"), rows),
            f"```\n{code}\n```"]  # fmt: skip


def _shown(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or value is False or callable(value):
        return "required" if parameter.required else ""
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def files() -> str:
    """The fields of each file's type. A nested type is described once, after the first file that uses it."""
    parts: list[str] = []
    described: set[type[Any]] = set()
    for path, (kind, meaning) in FILES.items():
        parts += [f"## `{path}`", f"{meaning} Type: `{kind.__name__}`."]
        waiting = [kind]
        while waiting:
            current = waiting.pop(0)
            if current in described:
                continue
            described.add(current)
            fields = _fields(current)
            if current is not kind:
                parts.append(f"### `{current.__name__}`")
            parts.append(_first_paragraph(current))
            parts.append(table(("field", "type"), [(f"`{name}`", f"`{_type(hint)}`") for name, hint in fields.items()]))
            waiting += [found for hint in fields.values() for found in _records_in(hint)]
    return "\n\n".join(part.replace("`|", "`\\|") for part in parts)


def _fields(kind: type[Any]) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return {field.name: field.type for field in dataclasses.fields(kind)}


def _records_in(hint: Any) -> list[type[Any]]:
    if get_origin(hint) is not None:
        return [found for inner in get_args(hint) for found in _records_in(inner)]
    is_record = isinstance(hint, type) and (dataclasses.is_dataclass(hint) or issubclass(hint, BaseModel))
    return [hint] if is_record else []


def _type(hint: Any) -> str:
    """A type as in the code, without module names, escaped for a table cell."""
    text = hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text).replace("|", "\\|").replace("NoneType", "None")


def _first_paragraph(kind: type[Any]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
