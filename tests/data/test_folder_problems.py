"""Everything that can be wrong with a user's folder of images: reported in one pass, each with a reason and a fix."""

import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from image_folders import prepare_folder, small_digits, split_counts, write_class, write_small_digits
from PIL import Image

from pipeline.errors import DataError, UsageError


def problems_of(folder: Path, tmp_path: Path, **options: object) -> list[str]:
    """The lines of the one error, each of which must name a reason and a fix."""
    with pytest.raises(DataError) as caught:
        prepare_folder(folder, tmp_path, **options)
    title, *lines = str(caught.value).splitlines()
    lines = [line.strip() for line in lines if line.startswith("  ")]
    assert f"has {len(lines)} problem" in title
    assert all(": " in line and "; " in line for line in lines)
    assert not (tmp_path / "prepared" / folder.name).exists()
    return lines


def test_all_problems_are_listed_in_one_pass_with_path_class_reason_and_fix(tmp_path: Path) -> None:
    expected = hostile_folder(tmp_path / "x")
    lines = problems_of(tmp_path / "x", tmp_path)
    assert len(lines) == len(expected)
    for path, said in expected.items():
        of_class = " (class '0')" if path.startswith("0/") else ""
        assert [line for line in lines if line.startswith(f"{path!r}{of_class}: ") and said in line], (path, said)


def test_skip_bad_leaves_exactly_these_files_out_and_says_so(tmp_path: Path) -> None:
    expected = hostile_folder(tmp_path / "x")
    lines: list[str] = []
    manifest = prepare_folder(tmp_path / "x", tmp_path, skip_bad=True, tell=lines.append)
    assert manifest.conversions == {"left out": len(expected)}
    assert sum(line.startswith("left out: ") for line in lines) == len(expected)
    assert split_counts(manifest) == {"train": (6,) * 3, "validation": (2,) * 3, "test": (2,) * 3}
    clean = prepare_folder(write_small_digits(tmp_path / "clean"), tmp_path)
    assert manifest.fingerprint == clean.fingerprint


def hostile_folder(folder: Path) -> dict[str, str]:
    """A good folder made bad in many ways at once; what must be said of each bad file, by its path."""
    write_small_digits(folder, 10)
    zero = folder / "0"
    good = (zero / "00000.png").read_bytes()
    contents = {
        "empty.png": (b"", "the file is empty"),
        "text.jpg": (b"I am a text\n", "not a readable image"),
        "html.png": (b"<html><script>alert(1)</script>", "not a readable image"),
        "cut.png": (good[: len(good) // 2], "cannot be decoded"),
        "header-only.png": (good[:33], "not a readable image"),
        "zip.gif": (b"PK\3\4" + bytes(40), "not a readable image"),
        "postscript.tif": (b"%!PS-Adobe-3.0\n(%pipe%touch X) (w) file", "not a readable image"),
        "line\nbreak.png": (b"", "the file is empty"),
        "ünïcode \U0001f98a.webp": (b"RIFF", "not a readable image"),
        "<script>.bmp": (b"BM", "not a readable image"),
    }
    for name, (content, _) in contents.items():
        (zero / name).write_bytes(content)
    Image.new("1", (9000, 9000)).save(zero / "bomb.png")
    Image.new("1", (9000, 9000)).save(zero / "huge.tif", compression="group4")
    Image.fromarray(np.zeros((8, 8), np.float32)).save(zero / "float.tif")
    (zero / "dangling.png").symlink_to(folder / "absent.png")
    (zero / "loop.png").symlink_to(zero / "loop.png")
    outside = folder.parent / "outside.png"
    shutil.copy(zero / "00000.png", outside)
    (zero / "leaves.png").symlink_to(outside)
    (zero / "up.png").symlink_to(Path("..") / ".." / "outside.png")
    os.mkfifo(zero / "pipe.png")
    (zero / "folder").mkdir()
    (zero / "folder.png").mkdir()
    (folder / "outside-of-classes.png").write_bytes(good)
    (folder / "dangling").symlink_to(folder / "absent")
    (folder / "etc").symlink_to("/etc")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(zero)
        server.bind("socket.jpg")
        os.chdir(here)
    return {
        **{f"0/{name}": said for name, (_, said) in contents.items()},
        "0/bomb.png": "9000 x 9000 pixels, above the limit",
        "0/huge.tif": "above the limit",
        "0/float.tif": "floating-point",
        "0/dangling.png": "leads nowhere",
        "0/loop.png": "leads back to itself",
        "0/leaves.png": "leads out of the folder",
        "0/up.png": "leads out of the folder",
        "0/pipe.png": "not a regular file",
        "0/socket.jpg": "not a regular file",
        "0/folder": "a folder inside a class folder",
        "0/folder.png": "a folder inside a class folder",
        "outside-of-classes.png": "outside every class folder",
        "dangling": "leads nowhere",
        "etc": "leads out of the folder",
    }


def test_another_folder_beside_split_folders_is_a_problem(tmp_path: Path) -> None:
    write_small_digits(tmp_path / "digits" / "train", 10)
    write_small_digits(tmp_path / "digits" / "extra", 3)
    assert ["lies next to the split folders" in line for line in problems_of(tmp_path / "digits", tmp_path)] == [True]


def test_one_split_named_twice_is_refused(tmp_path: Path) -> None:
    for split in ("train", "val", "valid"):
        write_small_digits(tmp_path / "digits" / split, 10)
    with pytest.raises(DataError, match=r"\['train', 'val', 'valid'\] name one split twice"):
        prepare_folder(tmp_path / "digits", tmp_path)


def test_a_group_in_two_given_splits_and_files_without_a_group_are_problems(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for path in write_small_digits(tmp_path / "x" / split, 30).rglob("*.png"):
            path.rename(path.with_name(f"p{split}{path.stem}-.png"))
    (tmp_path / "x" / "train" / "0" / "ptrain00000-.png").rename(tmp_path / "x" / "train" / "0" / "alone.png")
    for split in ("train", "test"):
        (tmp_path / "x" / split / "1" / f"p{split}00000-.png").rename(tmp_path / "x" / split / "1" / "pboth-.png")
    lines = problems_of(tmp_path / "x", tmp_path, group_by=r"/p(\w+)-")
    assert len(lines) == 2
    assert "'both': the group lies in train and test; move it into one split" in lines
    assert any("alone.png" in line and "finds no group" in line for line in lines)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(", "is not a regular expression"), (r"patient\d+", "must have a capture group")],
)
def test_a_wrong_group_pattern_is_a_usage_error(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        prepare_folder(write_small_digits(tmp_path / "digits"), tmp_path, group_by=pattern)


@pytest.mark.parametrize("skip_bad", [False, True])
def test_an_empty_class_and_a_small_one_are_problems_that_cannot_be_skipped(tmp_path: Path, skip_bad: bool) -> None:
    folder = write_small_digits(tmp_path / "x", 10)
    (folder / "empty").mkdir()
    write_class(folder / "small", small_digits()[0][:5])
    (folder / "small" / "bad.png").write_bytes(b"")
    lines = problems_of(folder, tmp_path, skip_bad=skip_bad)
    assert any(line.startswith("'empty' (class 'empty'): too few usable images: 0 ") for line in lines)
    assert any(line.startswith("'small' (class 'small'): too few usable images: 5 (1 for train") for line in lines)
    assert len(lines) == (2 if skip_bad else 3)


def test_one_class_or_none_is_refused(tmp_path: Path) -> None:
    assert "at least 2 are needed" in problems_of(write_small_digits(tmp_path / "x", 10, classes=1), tmp_path)[0]
    (tmp_path / "nothing").mkdir()
    assert "it has 0 classes" in problems_of(tmp_path / "nothing", tmp_path)[0]


def test_a_class_missing_from_a_given_split_is_named_with_its_counts(tmp_path: Path) -> None:
    write_small_digits(tmp_path / "x" / "train", 10)
    write_small_digits(tmp_path / "x" / "test", 4, classes=2)
    assert problems_of(tmp_path / "x", tmp_path) == [
        "'2' (class '2'): too few usable images: 10 (8 for train, 2 for validation, 0 for test; each split needs 2); "
        "add images (or smaller groups), or remove the class"
    ]


@pytest.mark.parametrize(("one", "other"), [("Cat", "cat"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "straße")])
def test_class_names_alike_but_for_case_or_unicode_form_are_refused(tmp_path: Path, one: str, other: str) -> None:
    images = small_digits()[0]
    for name in (one, other, "dog"):
        write_class(tmp_path / "x" / name, images[:8])
    lines = problems_of(tmp_path / "x", tmp_path, skip_bad=True)
    assert len(lines) == 1
    assert "only in case or Unicode form; merge or rename them" in lines[0]


def test_a_class_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = write_small_digits(tmp_path / "x", 10)
    (folder / "1").rename(folder / os.fsdecode(b"\xff"))
    assert "its name is not valid UTF-8" in problems_of(folder, tmp_path)[0]
