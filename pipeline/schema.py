"""Typed JSON: strict parsing of dictionaries into frozen dataclasses, with one-line errors.

Types are strict ("3" is not 3). The error for an unknown key names the nearest known one. Further rules are in each
dataclass's `__post_init__`. All Configs, recipes, settings and records of the project are read with this module.
"""

import dataclasses
import difflib
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.errors import StorageError, UsageError
from pipeline.files import read_json

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", strict=True)
"""The pydantic configuration of every dataclass that is read from JSON or YAML."""


def parse(kind: type[T], value: Any, where: str) -> T:
    """Parse a value of JSON or YAML as a `kind`; raises UsageError listing all faults with their places."""
    try:
        parsed: T = _adapter(kind).validate_json(json.dumps(_checked(value, where)))
    except ValidationError as error:
        raise UsageError("; ".join(_tell(fault, kind, where) for fault in error.errors())) from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from error
    return parsed


def _checked(value: Any, where: str) -> Any:
    """Return `value` if JSON can hold it; raises UsageError for what only YAML has, such as dates and boolean keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise UsageError(f"{where}: key {key} is read as {_kind_of(key)}: quote it")
            _checked(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _checked(inner, f"{where}.{index}")
    elif not isinstance(value, str | int | float | None):
        raise UsageError(f"{where} (={value}) is read as {_kind_of(value)}: quote it")
    return value


def _kind_of(value: Any) -> str:
    """The type that YAML gave a value, in a user's words."""
    words = {bool: "true or false", int: "a number", float: "a number", type(None): "nothing"}
    return words.get(type(value), f"a {type(value).__name__}")


def read_record(kind: type[T], path: Path) -> T:
    """Read a `kind` from a JSON file; raises StorageError with its path if it does not fit the schema."""
    try:
        return parse(kind, read_json(path), str(path))
    except UsageError as error:
        raise StorageError(f"unreadable record: {error}") from error


def read_optional(kind: type[T], path: Path) -> T | None:
    """Like `read_record`, but None if the file holds an empty object, which means nothing to do or nothing found."""
    return read_record(kind, path) if read_json(path) else None


def to_json(value: Any) -> Any:
    """Convert a dataclass (or a container of them) to JSON values: dictionaries, lists, strings, numbers."""
    return _adapter(type(value)).dump_python(value, mode="json")


_adapter: Callable[[Any], TypeAdapter[Any]] = functools.cache(TypeAdapter)


def _tell(fault: Any, kind: Any, where: str) -> str:
    path = ".".join([where, *(str(part) for part in fault["loc"])])
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _field_names(kind)
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"{path}: unknown key; {hint}"
    if fault["type"] == "missing":
        return f"{path}: is missing"
    if fault["type"] == "value_error":
        return f"{path}: {message}"
    if fault["type"] == "string_type" and not isinstance(fault["input"], dict | list):
        return f"{path} (={json.dumps(fault['input'])}) is read as {_kind_of(fault['input'])}, not as text: quote it"
    return f"{path} (={fault['input']!r}): {message[:1].lower()}{message[1:]}"


def _field_names(kind: Any) -> list[str]:
    """Field names of `kind` and of all dataclasses inside it."""
    schema = _adapter(kind).json_schema()
    names = set(schema.get("properties", {}))
    for definition in schema.get("$defs", {}).values():
        names |= set(definition.get("properties", {}))
    if not names and dataclasses.is_dataclass(kind):
        names = {field.name for field in dataclasses.fields(kind)}
    return sorted(names)
