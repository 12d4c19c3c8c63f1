"""Converts records to pandas tables: one row per record, one column per field, with the field's type.

An interval becomes the columns NAME_low and NAME_high. A mean over seeds becomes NAME (the mean), NAME_low, NAME_high
and NAME_n. Other nested values stay one value, and are written to files as JSON.
"""

import dataclasses
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pandas as pd
from pandas.api.types import is_object_dtype
from pydantic import BaseModel

from pipeline.evidence.records import Interval
from pipeline.files import canonical_json, write_bytes, write_text
from pipeline.reporting.formatting import csv_cell
from pipeline.schema import to_json

_DTYPES: dict[Any, str] = {int: "int64", float: "float64", bool: "bool", str: "str"}
_NULLABLE: dict[Any, str] = {**_DTYPES, int: "Int64", bool: "boolean"}
"""The same for fields that may be None."""


def frame(kind: type[Any], records: Iterable[Any], index: str | None = None) -> pd.DataFrame:
    """Return a table of records. It has the columns of the record type even if there are no records.

    Args:
        kind: a dataclass or pydantic model.
        records: instances of it.
        index: name of the field that becomes the index; None: rows are numbered from 0.
    """
    rows, hints = list(records), get_type_hints(kind)
    columns: dict[str, pd.Series[Any]] = {}
    for name in _names(kind):
        columns |= _columns(name, hints[name], [getattr(row, name) for row in rows])
    table = pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))
    return table if index is None else table.set_index(index)


def _names(kind: type[Any]) -> Sequence[str]:
    if issubclass(kind, BaseModel):
        return list(kind.model_fields)
    return [field.name for field in dataclasses.fields(kind)]


def _columns(name: str, hint: Any, values: list[Any]) -> dict[str, "pd.Series[Any]"]:
    """The columns of one field."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in members if kind is not NoneType]
    if kinds == [Interval]:
        means = [None if value is None else value.mean for value in values]
        ends = [None if value is None else value.interval for value in values]
        counts = [None if value is None else value.n for value in values]
        return {name: _series(means, "float64"), **_ends(name, ends), f"{name}_n": _series(counts, "Int64")}
    if kinds == [tuple[float, float]]:
        return _ends(name, values)
    kind = str if get_origin(kinds[0]) is Literal else kinds[0]
    dtypes = _NULLABLE if NoneType in members else _DTYPES
    return {name: _series(values, dtypes.get(kind, "object") if len(kinds) == 1 else "object")}


def _ends(name: str, values: list[Any]) -> dict[str, "pd.Series[Any]"]:
    pairs = [value or (None, None) for value in values]
    return {f"{name}_{end}": _series([pair[i] for pair in pairs], "float64") for i, end in enumerate(("low", "high"))}


def _series(values: list[Any], dtype: str) -> "pd.Series[Any]":
    if dtype == "object":
        values = [value if isinstance(value, dict | str | None) else to_json(value) for value in values]
    return pd.Series(values, dtype=dtype)


def write_csv(table: pd.DataFrame, file: Path) -> None:
    """Write a table as CSV; `-` means standard output. Text that a spreadsheet would take for a formula starts with '.

    Raises StorageError if the file cannot be written.
    """
    text = _flat(table).map(csv_cell).to_csv(index=False, lineterminator="\n")
    if file == Path("-"):
        print(text, end="", flush=True)
    else:
        write_text(file, text)


def write_parquet(table: pd.DataFrame, file: Path) -> None:
    """Write a table as Parquet. Raises StorageError if the file cannot be written."""
    content = io.BytesIO()
    _flat(table).to_parquet(content, index=False)
    write_bytes(file, content.getvalue())


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its index as columns, and nested values as JSON."""
    flat = table if table.index.names == [None] else table.reset_index()
    nested = {
        name: pd.Series(
            [value if isinstance(value, str | None) else canonical_json(value) for value in column], dtype="str"
        )
        for name, column in flat.items()
        if is_object_dtype(column.dtype)
    }
    return flat.assign(**{str(name): column for name, column in nested.items()})
