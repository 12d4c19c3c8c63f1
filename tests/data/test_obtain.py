"""Every way to Fashion-MNIST, on the real files or their first bytes; only the network is replaced, by programs and
servers of this machine."""

import gzip
import hashlib
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.data.obtain import DEBIAN_FOLDER, FASHION_MNIST_MD5, IdxFiles, fashion_mnist, obtain
from pipeline.errors import DataError

TRAIN_LABELS = "train-labels-idx1-ubyte"
NOWHERE = Path("/nonexistent")


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def small_raw(raw_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four .gz files with the first kilobytes of the real ones, so that tests need not unpack 55 MB."""
    folder = tmp_path_factory.mktemp("small")
    for name in FASHION_MNIST_MD5:
        with gzip.open(raw_fashion_mnist / f"{name}.gz") as file:
            (folder / f"{name}.gz").write_bytes(gzip.compress(file.read(5000)))
    return folder


@pytest.fixture(scope="session")
def small_files(small_raw: Path) -> IdxFiles:
    return IdxFiles("fashion-mnist", "FashionMNIST", checksums(small_raw), md5_of_content=True)


@pytest.fixture(scope="session")
def debian_package(small_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real package of the name and layout of Debian's."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    tree = tmp_path_factory.mktemp("package")
    shutil.copytree(small_raw, tree / DEBIAN_FOLDER, ignore=shutil.ignore_patterns(".*"))
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN" / "control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
    )
    package = tmp_path_factory.mktemp("archive") / "dataset-fashion-mnist_1_all.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", str(tree), str(package)], check=True, capture_output=True)
    return package


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network: an apt-get that only fails, and mirrors that refuse; the folder of the programs that are found."""
    import torchvision.datasets

    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dpkg-deb", "tar", "cp", "sh", "rm", "echo"):
        if (found := shutil.which(name)) is not None:
            (programs / name).symlink_to(found)
    write_apt_get(programs, "echo 'E: no network' >&2; exit 100")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    return programs


@pytest.fixture
def mirror(small_raw: Path) -> Iterator[str]:
    """A server of the raw files on this machine."""
    handler = partial(Silent, directory=str(small_raw))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def write_apt_get(programs: Path, script: str) -> None:
    (programs / "apt-get").unlink(missing_ok=True)
    (programs / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "apt-get").chmod(0o755)


def checksums(folder: Path) -> dict[str, str]:
    """The MD5 of the uncompressed content of each .gz file in a folder, in the order in which files are told."""
    names = [name for name in FASHION_MNIST_MD5 if (folder / f"{name}.gz").exists()]
    return {name: hashlib.md5(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest() for name in names}


def assert_all_there(files: IdxFiles, kept: Path) -> None:
    assert len(list(kept.iterdir())) == 4
    assert checksums(kept) == files.md5


def assert_nothing_left(raw: Path) -> None:
    assert [path.name for path in raw.iterdir() if path.name.endswith(".fetched")] == []


def test_files_already_there_are_used_and_nothing_else_is_tried(raw_fashion_mnist: Path, offline: Path) -> None:
    told: list[str] = []
    contents = obtain(fashion_mnist(), raw_fashion_mnist.parent, NOWHERE, told.append, installed=NOWHERE)
    assert {name: len(content) for name, content in contents.items()} == {
        "train-images-idx3-ubyte": 16 + 60_000 * 784,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 784,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }
    assert len(told) == 1
    assert "checksums right" in told[0]


def test_a_folder_the_user_names_comes_second_and_is_kept(
    raw_fashion_mnist: Path, offline: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    obtain(fashion_mnist(), tmp_path / "raw", raw_fashion_mnist, told.append, installed=raw_fashion_mnist)
    assert ["no such folder" in told[0], f"files in {raw_fashion_mnist}: all four" in told[1]] == [True, True]
    assert len(told) == 2
    assert_all_there(fashion_mnist(), tmp_path / "raw" / "fashion-mnist")
    obtain(fashion_mnist(), tmp_path / "raw", None, told.append, installed=NOWHERE)
    assert len(told) == 3
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
    told: list[str] = []
    obtain(small_files, tmp_path / "raw", NOWHERE, told.append, installed=small_raw)
    assert [("all four" in line) for line in told] == [False, False, True]
    assert "Debian's package" in told[2]
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")


def test_apt_get_download_comes_fourth_and_needs_no_root(
    small_files: IdxFiles, debian_package: Path, offline: Path, tmp_path: Path
) -> None:
    write_apt_get(offline, f'[ "$*" = "download dataset-fashion-mnist" ] && cp {debian_package} .')
    told: list[str] = []
    obtain(small_files, tmp_path / "raw", None, told.append, installed=NOWHERE)
    assert "downloading Debian's package" in told[2]
    assert "apt-get download and dpkg-deb -x: all four there" in told[3]
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
    told: list[str] = []
    obtain(small_files, tmp_path / "raw", None, told.append, installed=NOWHERE)
    assert [line.split()[-1] for line in log.read_text().splitlines()] == [
        "dataset-fashion-mnist",
        "update",
        "dataset-fashion-mnist",
    ]
    assert str(tmp_path / "raw") in log.read_text()
    assert any("Unable to locate package; trying once more with fresh package lists" in line for line in told)
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
    told: list[str] = []
    obtain(small_files, tmp_path / "raw", None, told.append, installed=NOWHERE)
    assert "torchvision's mirrors: all four there" in told[-1]
    assert any("apt-get failed: E: no network" in line for line in told)
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
    told: list[str] = []
    with pytest.raises(DataError) as caught:
        obtain(small_files, tmp_path / "raw", tmp_path / "given", told.append, installed=NOWHERE)
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
    assert sum("fashion-mnist: " in line for line in told) >= 5
    assert caught.value.exit_code == 3


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
    told: list[str] = []
    obtain(small_files, tmp_path / "raw", small_raw, told.append, installed=NOWHERE)
    assert f"{TRAIN_LABELS}.gz" in told[0]
    assert said in told[0]
    if way == "other content":
        assert f"{small_files.md5[TRAIN_LABELS]}, found" in told[0]
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
    told: list[str] = []
    obtain(small_files, tmp_path / "raw", given, told.append, installed=small_raw)
    assert "wrong checksum" in told[1]
    assert {path.name: path.read_bytes() for path in given.iterdir()} == before
    assert_all_there(small_files, tmp_path / "raw" / "fashion-mnist")
