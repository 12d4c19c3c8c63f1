"""Raw files that are wrong: named, kept aside, and passed over."""

import gzip
import shutil
from pathlib import Path

import pytest
from raw_files import NOWHERE, TRAIN_LABELS, assert_all_there
from raw_files import offline as offline
from raw_files import small_files as small_files
from raw_files import small_raw as small_raw

from pipeline.data.obtain import IdxFiles, obtain


def damage(path: Path, way: str) -> None:
    content = path.read_bytes()
    if way == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif way == "other content":
        path.write_bytes(gzip.compress(gzip.decompress(content)[:-1] + b"\7"))
    elif way == "no gzip":
        path.write_bytes(b"<html>503</html>")
    elif way == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("cut short", "cannot be read: Compressed file ended before"),
        ("other content", "wrong checksum: expected MD5 of its uncompressed content"),
        ("no gzip", "cannot be read: Not a gzipped file"),
        ("empty", "wrong checksum: expected MD5"),
        ("absent", "is not there"),
    ],
)
def test_a_wrong_file_is_named_kept_and_passed_over(
    small_raw: Path, small_files: IdxFiles, offline: Path, tmp_path: Path, way: str, said: str
) -> None:
    kept = tmp_path / "raw" / "fashion-mnist"
    shutil.copytree(small_raw, kept)
    damage(kept / f"{TRAIN_LABELS}.gz", way)
    wrong = (kept / f"{TRAIN_LABELS}.gz").read_bytes() if way != "absent" else None
    lines: list[str] = []
    obtain(small_files, tmp_path / "raw", small_raw, lines.append, installed=NOWHERE)
    assert f"{TRAIN_LABELS}.gz" in lines[0]
    assert said in lines[0]
    if way == "other content":
        assert f"{small_files.md5[TRAIN_LABELS]}, found" in lines[0]
    aside = list(kept.glob("*.wrong-*"))
    assert [path.read_bytes() for path in aside] == ([] if wrong is None else [wrong])
    for path in aside:
        path.unlink()
    assert_all_there(small_files, kept)


def test_a_wrong_file_in_the_users_own_folder_is_left_as_it_is(
    small_raw: Path, small_files: IdxFiles, offline: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    shutil.copytree(small_raw, given)
    damage(given / f"{TRAIN_LABELS}.gz", "other content")
    before = {path.name: path.read_bytes() for path in given.iterdir()}
    lines: list[str] = []
    obtain(small_files, tmp_path / "raw", given, lines.append, installed=small_raw)
    assert "wrong checksum" in lines[1]
    assert {path.name: path.read_bytes() for path in given.iterdir()} == before
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")
