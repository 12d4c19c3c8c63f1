"""Records as pandas tables: one row a record, one column a field, types from the record's own.

An interval becomes columns: NAME_low and NAME_high, and of a mean over seeds NAME (the mean) and NAME_n. What is nested
deeper stays one value, and is written to files as JSON.
"""

import dataclasses
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
from pandas.api.types import is_object_dtype
from pydantic import BaseModel

from pipeline.errors import StorageError
from pipeline.evidence.records import Interval
from pipeline.files import canonical_json, write_bytes, write_text
from pipeline.reporting.formatting import csv_cell
from pipeline.schema import to_json

DTYPES: dict[Any, str] = {int: "int64", float: "float64", bool: "bool", str: "str"}


def frame(kind: type[Any], records: Iterable[Any], index: str | None = None) -> pd.DataFrame:
    """A table of records of one type, which has its columns even where there are no records.

    Args:
        kind: a dataclass or pydantic model.
        records: instances of it.
        index: the field that becomes the index; None: rows are numbered.
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
    kinds = set(get_args(hint)) - {NoneType} or {hint}
    if Interval in kinds:
        means = [None if value is None else value.mean for value in values]
        ends = [None if value is None else value.interval for value in values]
        counts = [None if value is None else value.n for value in values]
        return {name: _series(means, "float64"), **_ends(name, ends), f"{name}_n": _series(counts, "Int64")}
    if tuple[float, float] in kinds:
        return _ends(name, values)
    return {name: _series(values, _dtype(kinds, optional=NoneType in get_args(hint)))}


def _ends(name: str, values: list[Any]) -> dict[str, "pd.Series[Any]"]:
    pairs = [value or (None, None) for value in values]
    return {f"{name}_{end}": _series([pair[i] for pair in pairs], "float64") for i, end in enumerate(("low", "high"))}


def _dtype(kinds: set[Any], optional: bool) -> str:
    """The pandas type of a field; whole numbers and truth values that may be missing have nullable ones."""
    if all(isinstance(kind, str) for kind in kinds):  # a Literal
        return "str"
    (kind, *others) = kinds
    if others or get_origin(kind) is not None or kind not in DTYPES:
        return "object"
    nullable = {int: "Int64", bool: "boolean"}
    return nullable.get(kind, DTYPES[kind]) if optional else DTYPES[kind]


def _series(values: list[Any], dtype: str) -> "pd.Series[Any]":
    if dtype == "object":
        values = [value if isinstance(value, dict | str | None) else to_json(value) for value in values]
    return pd.Series(values, dtype=dtype)


def write_csv(table: pd.DataFrame, file: Path) -> None:
    """Write a table as CSV, `-` to standard output; text that a spreadsheet would take for a formula is quoted by `'`.

    Raises StorageError where the disk refuses.
    """
    text = _flat(table).map(csv_cell).to_csv(index=False, lineterminator="\n")
    if file == Path("-"):
        print(text, end="", flush=True)
    else:
        write_text(file, text)


def write_parquet(table: pd.DataFrame, file: Path) -> None:
    """Write a table as Parquet; raises StorageError where the disk refuses."""
    if file.is_dir():
        raise StorageError(f"cannot write {file}: it is a folder")
    content = io.BytesIO()
    _flat(table).to_parquet(content, index=False)
    write_bytes(file, content.getvalue())


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its index as columns and nested values as JSON."""
    flat = table if table.index.names == [None] else table.reset_index()
    nested = {
        name: pd.Series(
            [value if isinstance(value, str | None) else canonical_json(value) for value in column], dtype="str"
        )
        for name, column in flat.items()
        if is_object_dtype(column.dtype)
    }
    return flat.assign(**{str(name): column for name, column in nested.items()})
