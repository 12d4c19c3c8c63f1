"""Every way to Fashion-MNIST, on the real files or their first bytes; only the network is replaced, by programs and
servers of this machine."""

import gzip
import hashlib
from pathlib import Path

import pytest
from raw_files import NOWHERE, assert_all_there, assert_nothing_left, write_apt_get
from raw_files import debian_package as debian_package
from raw_files import mirror as mirror
from raw_files import offline as offline
from raw_files import small_files as small_files
from raw_files import small_raw as small_raw

from pipeline.data.obtain import FASHION_MNIST_MD5, IdxFiles, fashion_mnist, obtain
from pipeline.errors import DataError


def test_files_already_there_are_used_and_nothing_else_is_tried(raw_fashion_mnist: Path, offline: Path) -> None:
    lines: list[str] = []
    contents = obtain(fashion_mnist(), raw_fashion_mnist.parent, NOWHERE, lines.append, installed=NOWHERE)
    assert {name: len(content) for name, content in contents.items()} == {
        "train-images-idx3-ubyte": 16 + 60_000 * 784,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 784,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }
    assert len(lines) == 1
    assert "checksums right" in lines[0]


def test_a_folder_the_user_names_comes_second_and_is_kept(
    raw_fashion_mnist: Path, offline: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    obtain(fashion_mnist(), tmp_path / "raw", raw_fashion_mnist, lines.append, installed=raw_fashion_mnist)
    assert ["no such folder" in lines[0], f"files in {raw_fashion_mnist}: all four" in lines[1]] == [True, True]
    assert len(lines) == 2
    assert_all_there(fashion_mnist(), tmp_path / "raw" / "fashion-mnist")
    obtain(fashion_mnist(), tmp_path / "raw", None, lines.append, installed=NOWHERE)
    assert len(lines) == 3
    assert_nothing_left(tmp_path / "raw")


def test_uncompressed_files_are_taken_and_kept_compressed(
    small_raw: Path, small_files: IdxFiles, offline: Path, tmp_path: Path
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for name in FASHION_MNIST_MD5:
        (given / name).write_bytes(gzip.decompress((small_raw / f"{name}.gz").read_bytes()))
    obtain(small_files, tmp_path / "raw", given, lambda _: None, installed=NOWHERE)
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")


def test_debians_installed_package_comes_third(
    small_raw: Path, small_files: IdxFiles, offline: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    obtain(small_files, tmp_path / "raw", NOWHERE, lines.append, installed=small_raw)
    assert [("all four" in line) for line in lines] == [False, False, True]
    assert "Debian's package" in lines[2]
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")


def test_apt_get_download_comes_fourth_and_needs_no_root(
    small_files: IdxFiles, debian_package: Path, offline: Path, tmp_path: Path
) -> None:
    write_apt_get(offline, f'[ "$*" = "download dataset-fashion-mnist" ] && cp {debian_package} .')
    lines: list[str] = []
    obtain(small_files, tmp_path / "raw", None, lines.append, installed=NOWHERE)
    assert "downloading Debian's package" in lines[2]
    assert "apt-get download and dpkg-deb -x: all four there" in lines[3]
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")
    assert_nothing_left(tmp_path / "raw")


def test_package_lists_are_fetched_once_into_private_folders_where_they_lack(
    small_files: IdxFiles, debian_package: Path, offline: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    write_apt_get(
        offline,
        f"""echo "$*" >> {log}
case "$*" in
*Dir::State=*Dir::Cache=*update) echo lists > "${{2#Dir::State=}}/lists/here" ;;
*Dir::State=*download*) [ -f "${{2#Dir::State=}}/lists/here" ] && cp {debian_package} . ;;
*) echo "E: Unable to locate package" >&2; exit 100 ;;
esac""",
    )
    lines: list[str] = []
    obtain(small_files, tmp_path / "raw", None, lines.append, installed=NOWHERE)
    assert [line.split()[-1] for line in log.read_text().splitlines()] == [
        "dataset-fashion-mnist",
        "update",
        "dataset-fashion-mnist",
    ]
    assert str(tmp_path / "raw") in log.read_text()
    assert any("Unable to locate package; retrying with fresh package lists" in line for line in lines)
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")
    assert_nothing_left(tmp_path / "raw")


def test_torchvisions_mirrors_come_last(
    small_raw: Path, small_files: IdxFiles, offline: Path, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets

    resources = [  # those of the files served here, which may be Debian's
        (path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(small_raw.glob("*.gz"))
    ]
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/", mirror])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    lines: list[str] = []
    obtain(small_files, tmp_path / "raw", None, lines.append, installed=NOWHERE)
    assert "torchvision's mirrors: all four there" in lines[-1]
    assert any("apt-get failed: E: no network" in line for line in lines)
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")


def test_a_mirror_that_serves_other_files_is_refused(
    small_files: IdxFiles, offline: Path, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets

    resources = [(f"{name}.gz", "0" * 32) for name in FASHION_MNIST_MD5]
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [mirror])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    with pytest.raises(DataError, match=r"torchvision's mirrors: .*corrupted"):
        obtain(small_files, tmp_path / "raw", None, lambda _: None, installed=NOWHERE)
    assert not (tmp_path / "raw" / "fashion-mnist").exists()


def test_when_all_fail_every_attempt_and_what_to_do_are_said(
    small_files: IdxFiles, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (offline / "apt-get").unlink()
    lines: list[str] = []
    with pytest.raises(DataError) as caught:
        obtain(small_files, tmp_path / "raw", tmp_path / "given", lines.append, installed=NOWHERE)
    message = str(caught.value)
    attempts = message.splitlines()[1:-1]
    assert [line.split(":")[0].strip() for line in attempts] == [
        f"files in {tmp_path / 'raw' / 'fashion-mnist'}",
        f"files in {tmp_path / 'given'}",
        f"Debian's package in {NOWHERE}",
        "apt-get download and dpkg-deb -x",
        "torchvision's mirrors",
    ]
    assert "apt-get is not installed" in attempts[3]
    assert "Connection refused" in attempts[4]
    assert "t10k-labels-idx1-ubyte.gz into" in message.splitlines()[-1]
    assert "--from FOLDER" in message
    assert sum("fashion-mnist: " in line for line in lines) >= 5
    assert caught.value.exit_code == 3
