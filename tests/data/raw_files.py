"""Raw files of Fashion-MNIST, whole or their first bytes, and the programs and servers that would give them."""

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

from pipeline.data.obtain import DEBIAN_FOLDER, FASHION_MNIST_MD5, IdxFiles

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
    return IdxFiles("fashion-mnist", "FashionMNIST", checksums(small_raw), True, in_debian=True)


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
    """The MD5 of the uncompressed content of each .gz file in a folder, in the order in which files are reported."""
    names = [name for name in FASHION_MNIST_MD5 if (folder / f"{name}.gz").exists()]
    return {name: hashlib.md5(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest() for name in names}


def assert_all_there(files: IdxFiles, kept: Path) -> None:
    assert len(list(kept.iterdir())) == 4
    assert checksums(kept) == files.md5


def assert_nothing_left(raw: Path) -> None:
    assert [path.name for path in raw.iterdir() if path.name.endswith(".fetched")] == []
