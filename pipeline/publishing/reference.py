"""Reference pages generated from the code: the commands with their options, and the schemas of the files."""

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
    "runs/HASH/run.json": (RunHeader, "What a run is, and for whom it was trained."),
    "runs/HASH/result.json": (Result, "The outcome of a run; equal on every repeat on one machine."),
    "runs/HASH/measurement.json": (Measurement, "What the run cost on this machine."),
    "runs/HASH/test.json": (TestScore, "Its score on the test split."),
    "runs/HASH/probes.json": (ProbeRecord, "Further measurements of its weights."),
    "reports/results/runs/FAMILY.json": (GroupRecord, "Networks trained under one protocol."),
    "reports/results/experiments/NAME.json": (GroupRecord, "The arms of an experiment, in the same form."),
    "reports/results/profiles/FAMILY.json": (CostProfile, "A list: what each network costs."),
    "reports/results/timings/NAME.json": (TimingRecord, "The arms of a timing."),
    "reports/results/studies/FAMILY.json": (StudyRecord, "A search; also `search --json` and `status --json`."),
    "reports/results/finalists/FAMILY.json": (FinalistsRecord, "Its finalists; also `finalists --json`."),
    "reports/results/claims.json": (ClaimVerdict, "A list: the verdicts; also `claims --json`."),
    "reports/published/population/table.json": (PopulationTable, "The published population of trained networks."),
}
"""JSON files that other programs may read, with the type of each."""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> str:
    """A Markdown table; columns from the one numbered `numbers` on are aligned to the right."""
    rule = "".join("--:|" if numbers is not None and index >= numbers else "---|" for index in range(len(titles)))
    return "\n".join([f"| {' | '.join(titles)} |", f"|{rule}", *(f"| {' | '.join(row)} |" for row in rows)])


def commands() -> str:
    """Every verb with its usage, options, defaults and examples, in the groups of `convstudy --help`."""
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
    """The fields of every file, by the dataclass that is read from it; nested types once, where they first occur."""
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
    """A type as the code writes it, without the modules; a table's bar is escaped."""
    text = hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text).replace("|", "\\|").replace("NoneType", "None")


def _first_paragraph(kind: type[Any]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
