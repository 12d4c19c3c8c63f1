"""Tables of records, and `--csv` and `--parquet` of the verbs that list rows."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
import typer.main
from verbs import called, json_of

import convstudy
from pipeline.actions.frames import frame, write_csv, write_parquet
from pipeline.errors import StorageError
from pipeline.evidence.records import Interval
from pipeline.evidence.study_records import TrialRecord
from pipeline.verbs.app import app
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Row:
    name: str
    error_percent: Interval | None
    interval: tuple[float, float] | None
    range: tuple[float, float]
    seeds: int | None
    shown: bool
    expected: Literal["lower", "higher"] | None
    config: dict[str, int]
    versions: dict[str, str]


ROWS = [
    Row("=1+1", Interval(10.0, (9.0, 11.0), 3), (0.0, 1.0), (2.0, 3.0), 3, True, "lower", {"depth": 1}, {"torch": "2"}),
    Row("b", None, None, (4.0, 5.0), None, False, None, {}, {}),
]


def test_a_field_becomes_a_column_of_its_type_and_an_interval_several() -> None:
    table = frame(Row, ROWS, "name")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "error_percent": "float64", "error_percent_low": "float64", "error_percent_high": "float64",
        "error_percent_n": "Int64", "interval_low": "float64", "interval_high": "float64", "range_low": "float64",
        "range_high": "float64", "seeds": "Int64", "shown": "bool", "expected": "str", "config": "object",
        "versions": "object",
    }  # fmt: skip
    first = table.to_numpy(dtype=object).tolist()[0]
    assert first == [10.0, 9.0, 11.0, 3, 0.0, 1.0, 2.0, 3.0, 3, True, "lower", {"depth": 1}, {"torch": "2"}]
    assert table.loc["b"].drop(["range_low", "range_high", "shown", "config", "versions"]).isna().all()
    assert frame(Row, [], "name").dtypes.to_list() == table.dtypes.to_list()
    assert "validation_error_percent" in frame(TrialRecord, [])


def test_files_have_nested_values_as_json_and_no_formulas(tmp_path: Path) -> None:
    table = frame(Row, ROWS, "name")
    write_csv(table, tmp_path / "rows.csv")
    write_parquet(table, tmp_path / "rows.parquet")
    text = (tmp_path / "rows.csv").read_text()
    assert text.splitlines()[0].startswith("name,error_percent,") and "'=1+1,10.0" in text
    back = pd.read_parquet(tmp_path / "rows.parquet")
    assert back["name"].to_list() == ["=1+1", "b"] and json.loads(back["config"][0]) == {"depth": 1}
    assert back["seeds"].isna().to_list() == [False, True] and back["shown"].dtype == bool
    with pytest.raises(StorageError, match="cannot write"):
        write_parquet(table, tmp_path)


def test_verbs_that_list_rows_write_the_same_tables(first_study: Workspace, tmp_path: Path) -> None:
    csv, parquet = tmp_path / "trials.csv", tmp_path / "trials.parquet"
    printed = called(first_study, "status", "first", "--csv", str(csv), "--parquet", str(parquet))
    assert printed == ""
    trials = convstudy.study("first").trials()
    for found in (pd.read_csv(csv, index_col="number"), pd.read_parquet(parquet).set_index("number")):
        assert list(found) == list(trials)
        assert found["macs"].to_list() == trials["macs"].to_list() and found["run"].to_list() == trials["run"].to_list()
        assert [json.loads(config) for config in found["config"]] == trials["config"].to_list()
    for verb, index, names in (
        ("architectures", "name", {row["name"] for row in json_of(first_study, "architectures")}),
        ("studies", "study", {row["study"] for row in json_of(first_study, "studies")}),
        ("claims", "id", {row["id"] for row in json_of(first_study, "claims")}),
    ):
        shown = pd.read_csv(io.StringIO(called(first_study, verb, "--csv", "-")))
        assert set(shown[index]) == names
    short = ("--seeds", "2", "--members", "1", "--random-networks", "0", "--no-random-search")
    members = pd.read_csv(io.StringIO(called(first_study, "finalists", "first", *short, "--csv", "-")))
    assert members["test_error_percent_n"].to_list() == [2]
    assert (members["test_error_percent_low"] < members["test_error_percent"]).all()


def test_json_and_csv_can_be_written_together(first_study: Workspace, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    files = [tmp_path / "out" / name for name in ("trials.json", "trials.csv")]
    called(first_study, "status", "first", "--json", str(files[0]), "--csv", str(files[1]))
    assert len(json.loads(files[0].read_text())["trials"]) == len(pd.read_csv(files[1])) == 6


def test_only_verbs_that_list_rows_have_csv_and_parquet() -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    having = {
        name for name, command in verbs.items()
        if {"--csv", "--parquet"} <= {option for parameter in command.params for option in parameter.opts}
    }  # fmt: skip
    assert having == {"architectures", "studies", "status", "finalists", "claims"}
