"""Records of studies and of finalists: those that were published are read, whatever fields they lack."""

from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT

from pipeline.errors import StorageError, UsageError
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import canonical_json, read_json, write_json
from pipeline.schema import parse, read_optional, to_json

PUBLISHED = CHECKOUT / "reports" / "published"
STUDIES = sorted(PUBLISHED.glob("**/studies/*.json"))
FULL = PUBLISHED / "quick" / "studies" / "resnet.json"
OLDEST = PUBLISHED / "claims" / "studies" / "inception-under-googlenet.json"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: "-".join(path.parts[-3::2]))
def test_every_published_study_is_read_and_written_as_it_is(path: Path) -> None:
    published, record = read_json(path), read_optional(StudyRecord, path)
    if not published:
        assert record is None
        return
    written = to_json(record)
    assert {key: written[key] for key in published if key != "trials"} == {
        key: value for key, value in published.items() if key != "trials"
    }
    assert record is not None and record.counted == len(published["trials"]) == len(record.trials)
    for was, now in zip(published["trials"], written["trials"], strict=True):
        assert {key: now[key] for key in was if key != "rungs"} == {k: v for k, v in was.items() if k != "rungs"}
        assert [rung["validation_error_percent"] for rung in was["rungs"]] == [
            rung["validation_error_percent"] for rung in now["rungs"]
        ]


def test_published_studies_of_both_kinds_are_among_them() -> None:
    assert {FULL, OLDEST} <= set(STUDIES) and len(STUDIES) >= 10
    newer = {"guessing_error_percent": None}  # not recorded when it was published
    assert canonical_json(to_json(read_optional(StudyRecord, FULL))) == canonical_json(read_json(FULL) | newer)


def test_what_an_old_record_lacks_is_absent() -> None:
    record = read_optional(StudyRecord, OLDEST)
    assert record is not None and record.plan is None and record.machines == ()
    assert {trial.epochs_seen for trial in record.trials} == {0}
    assert {rung.arrival for trial in record.trials for rung in trial.rungs} == {0}
    assert record.trials[0].costs.keys() == {"macs", "params", "activations"}


def test_trials_are_found_by_number_and_not_by_place() -> None:
    record = read_optional(StudyRecord, FULL)
    assert record is not None
    assert [trial.number for trial in record.trials] != sorted(record.by_number)
    published = {trial["number"]: trial for trial in read_json(FULL)["trials"]}
    assert {number: trial.run for number, trial in record.by_number.items()} == {
        number: trial["run"] for number, trial in published.items()
    }
    errors = [published[trial.number]["validation_error_percent"] for trial in record.front_trials]
    assert errors == sorted(errors) and {trial.number for trial in record.front_trials} == set(record.front)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"weight_bites": 5}, "trials.0: unknown cost 'weight_bites'"),
        ({"macs": "many"}, "trials.0.macs"),
        ({"state": "running"}, "trials.0.state"),
        ({"number": "1"}, "trials.0.number"),
    ],
)
def test_a_trial_that_does_not_fit_is_named(changes: dict[str, Any], why: str) -> None:
    record = read_json(FULL)
    record["trials"][0] |= changes
    with pytest.raises(UsageError, match=why):
        parse(StudyRecord, record, "record")


def test_a_study_that_is_no_record_is_named_with_its_file(tmp_path: Path) -> None:
    write_json(tmp_path / "study.json", {"study": "mine"})
    with pytest.raises(StorageError, match=r"unreadable record: .*study\.json\.state: is missing"):
        read_optional(StudyRecord, tmp_path / "study.json")


def test_notes_of_finalists_are_read_under_their_old_name() -> None:
    path = PUBLISHED / "quick" / "finalists" / "resnet.json"
    published, record = read_json(path), read_optional(FinalistsRecord, path)
    assert record is not None and list(record.notes) == published["told"] != []
    written = to_json(record)
    assert "told" not in written and parse(FinalistsRecord, written, "record") == record
