"""A CSV table of paths and labels, read by the same reader as folders."""

import csv
from pathlib import Path

import pytest
from image_folders import write_small_digits

from pipeline.data.prepare import prepare
from pipeline.errors import DataError

Rows = list[tuple[str, ...]]


def digit_rows(tmp_path: Path, per_class: int = 10) -> Rows:
    """Paths relative to tmp_path, and labels, of small digits written there."""
    folder = write_small_digits(tmp_path / "images", per_class)
    return [(path.relative_to(tmp_path).as_posix(), path.parent.name) for path in sorted(folder.rglob("*.png"))]


def write_table(path: Path, header: tuple[str, ...], rows: Rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def problems_of(table: Path, tmp_path: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        prepare(str(table), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    return [line.strip() for line in str(caught.value).splitlines() if line.startswith("  ")]


def test_a_table_gives_the_same_arrays_as_the_folder_it_names(tmp_path: Path) -> None:
    table = write_table(tmp_path / "digits.csv", ("path", "label"), digit_rows(tmp_path))
    one = prepare(str(table), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    other = prepare(str(tmp_path / "images"), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    assert (one.name, one.source) == ("digits", "table digits")
    assert one.splits == other.splits
    assert one.fingerprint == other.fingerprint


def test_the_order_of_rows_and_columns_changes_nothing(tmp_path: Path) -> None:
    rows = digit_rows(tmp_path)
    one = write_table(tmp_path / "one.csv", ("path", "label"), rows)
    other = write_table(
        tmp_path / "other.csv", ("label", "note", "path"), [(label, "=cmd()", path) for path, label in rows[::-1]]
    )
    other.write_text("\ufeff" + other.read_text())  # as a spreadsheet writes it
    manifests = [prepare(str(table), tmp_path, tmp_path / "prepared", tell=lambda _: None) for table in (one, other)]
    assert manifests[0].splits == manifests[1].splits


def test_a_split_column_is_kept_and_a_missing_split_carved(tmp_path: Path) -> None:
    rows: Rows = [
        (path, label, "test" if number % 10 < 3 else "Train")
        for number, (path, label) in enumerate(digit_rows(tmp_path))
    ]
    table = write_table(tmp_path / "digits.csv", ("path", "label", "split"), rows)
    manifest = prepare(str(table), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    assert {split: files.class_counts for split, files in manifest.splits.items()} == {
        "train": (5,) * 3,
        "validation": (2,) * 3,
        "test": (3,) * 3,
    }


def test_all_rows_that_are_wrong_are_listed_with_their_lines(tmp_path: Path) -> None:
    rows = digit_rows(tmp_path)
    (tmp_path / "images" / "0" / "bad.png").write_bytes(b"")
    (tmp_path / "images" / "0" / "notes.txt").write_text("no image")
    bad = [
        ("images/0/absent.png", "0", "it is not there (No such file or directory)"),
        ("/etc/passwd", "0", "it leads out of the folder"),
        ("../outside.png", "0", "it is not there"),
        ("images/../../../etc/passwd", "0", "it is not there|it leads out of the folder"),
        ("images/0", "0", "it is not a regular file"),
        ("", "0", "it is not a regular file"),
        (rows[0][0], "1", "it is listed twice"),
        ("images/1/../0/00001.png", "0", "it is listed twice"),
        (rows[0][0], " ", "its label is empty"),
        ("images/0/x\0.png", "0", "it is not a valid path"),
    ]
    table = write_table(tmp_path / "digits.csv", ("path", "label"), [*rows, *((path, label) for path, label, _ in bad)])
    lines = problems_of(table, tmp_path)
    assert len(lines) == len(bad)
    for line_number, (path, _, said) in enumerate(bad, len(rows) + 2):
        matching = [line for line in lines if line.startswith(repr(f"digits.csv:{line_number}: {path}"))]
        assert len(matching) == 1
        assert any(part in matching[0] for part in said.split("|"))


def test_what_a_row_names_must_be_an_image(tmp_path: Path) -> None:
    rows = digit_rows(tmp_path)
    (tmp_path / "images" / "0" / "bad.png").write_bytes(b"")
    (tmp_path / "images" / "0" / "notes.txt").write_text("no image")
    more: Rows = [("images/0/bad.png", "0"), ("images/0/notes.txt", "0")]
    lines = problems_of(write_table(tmp_path / "d.csv", ("path", "label"), [*rows, *more]), tmp_path)
    assert lines == [
        "'images/0/bad.png' (class '0'): the file is empty; copy it again or remove it",
        "'images/0/notes.txt' (class '0'): its content is not a readable image; replace or remove it",
    ]


def test_wrong_splits_and_too_many_cells_are_listed(tmp_path: Path) -> None:
    rows: Rows = [(path, label, "train") for path, label in digit_rows(tmp_path)]
    rows[0] = (*rows[0][:2], "training")
    rows[1] = (*rows[1][:2], "")
    rows[2] = (*rows[2], "more")
    lines = problems_of(write_table(tmp_path / "d.csv", ("path", "label", "split"), rows), tmp_path)
    assert [any(said in line for line in lines) for said in ("'training'", "its split is ''", "more cells")] == [
        True
    ] * 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"file,class\na.png,1\n",
        b"path;label\na.png;1\n",
        b"path,label\n\xff\xfe,1\n",
        b'path,label\n"a.png,1\n',
        b"path,label\n" + b"a" * 200_000 + b",1\n",
        b"PK\3\4" + bytes(range(256)) * 10,
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"d\.csv") as caught:
        prepare(str(tmp_path / "d.csv"), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    assert len(str(caught.value)) < 1000


def test_a_table_without_rows_has_no_classes(tmp_path: Path) -> None:
    table = write_table(tmp_path / "d.csv", ("path", "label"), [])
    assert "it has 0 classes" in problems_of(table, tmp_path)[0]
