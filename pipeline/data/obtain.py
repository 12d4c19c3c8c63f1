"""Obtains the four IDX files of Fashion-MNIST, MNIST and KMNIST in the first way that works. Reports each attempt.

Fashion-MNIST is verified by the MD5 of its uncompressed files, since Debian compressed them again, and the others by
torchvision's MD5 of the compressed files. A wrong file is never removed: it is reported, and renamed if a right one
takes its place. Obtained files stay in `data/raw/NAME` for the next time.
"""

import gzip
import hashlib
import http.client
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data.idx import read_content
from pipeline.errors import DataError
from pipeline.files import write_atomic
from pipeline.process import locked

Tell = Callable[[str], None]

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("usr/share/datasets/fashion-mnist")
PATIENCE_SECONDS = 30.0
COMMAND_SECONDS = 900.0

FASHION_MNIST_MD5 = {  # of the uncompressed files
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


@dataclass(frozen=True)
class IdxFiles:
    """Four IDX files, by name without `.gz`, with the MD5 of their content or of the `.gz` file.

    `in_debian`: whether Debian's package contains them.
    """

    name: str
    torchvision_class: str
    md5: dict[str, str]
    md5_of_content: bool
    in_debian: bool = False


def fashion_mnist() -> IdxFiles:
    """The files of Fashion-MNIST."""
    return IdxFiles("fashion-mnist", "FashionMNIST", FASHION_MNIST_MD5, md5_of_content=True, in_debian=True)


def torchvision_idx(name: str, torchvision_class: str) -> IdxFiles:
    """The files of another data set in the format of MNIST, with torchvision's checksums."""
    resources = _torchvision(torchvision_class).resources
    return IdxFiles(name, torchvision_class, {file.removesuffix(".gz"): md5 for file, md5 in resources}, False)


def obtain(
    files: IdxFiles, raw_folder: Path, given_folder: Path | None, tell: Tell, *, installed: Path = "/" / DEBIAN_FOLDER
) -> dict[str, bytes]:
    """Get the uncompressed content of the four files by name, and keep the files in `raw_folder / files.name`.

    Raises DataError that lists all attempts and says what to do, if none worked.
    """
    kept = raw_folder / files.name
    faults: list[str] = []
    contents = _attempt(files, f"files in {kept}", lambda: kept, faults, tell)
    if contents is not None:
        return contents
    with _scratch(raw_folder, files.name) as scratch:
        attempts: list[tuple[str, Callable[[], Path]]] = []
        if given_folder is not None:
            attempts.append((f"files in {given_folder}", lambda: given_folder))
        if files.in_debian:
            attempts.append((f"Debian's package in {installed}", lambda: installed))
            attempts.append(("apt-get download and dpkg-deb -x", lambda: _apt_download(scratch / "apt", tell)))
        attempts.append(("torchvision's mirrors", lambda: _torchvision_download(files, scratch / "mirrors", tell)))
        for title, fetch in attempts:
            contents = _attempt(files, title, fetch, faults, tell, kept)
            if contents is not None:
                return contents
    names = ", ".join(f"{file}.gz" for file in files.md5)
    raise DataError(
        "\n  ".join([f"{files.name} could not be obtained. Tried:", *faults])
        + f"\nPut {names} into {kept}, or name the folder that holds them with --from FOLDER, and prepare again."
    )


def _attempt(
    files: IdxFiles, title: str, fetch: Callable[[], Path], faults: list[str], tell: Tell, keep_in: Path | None = None
) -> dict[str, bytes] | None:
    """Try one way. Returns the contents and keeps the files, or adds its fault and returns None. Reports both."""
    try:
        folder = fetch()
        contents = _read_all(files, folder)
    except DataError as error:
        faults.append(f"{title}: {error}")
        tell(f"{files.name}: {faults[-1]}")
        return None
    tell(f"{files.name}: {title}: all four there, checksums right")
    if keep_in is not None:
        _keep(files, folder, keep_in, tell)
    return contents


def _read_all(files: IdxFiles, folder: Path) -> dict[str, bytes]:
    """Read all four files in `folder`; raises one DataError with all faults."""
    if not folder.is_dir():
        raise DataError("there is no such folder")
    contents, faults = {}, []
    for file in files.md5:
        try:
            contents[file] = _read_checked(files, folder, file)
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("; ".join(faults))
    return contents


def _read_checked(files: IdxFiles, folder: Path, file: str) -> bytes:
    path = _locate(files, folder, file)
    content = read_content(path)
    found = hashlib.md5(content if files.md5_of_content else path.read_bytes(), usedforsecurity=False).hexdigest()
    if found != files.md5[file]:
        what = "of its uncompressed content" if files.md5_of_content else "of the file"
        raise DataError(f"{path} has a wrong checksum: expected MD5 {what} {files.md5[file]}, found {found}")
    return content


def _locate(files: IdxFiles, folder: Path, file: str) -> Path:
    """The path of a file: compressed, or uncompressed if the MD5 of its content is known."""
    compressed = folder / f"{file}.gz"
    if compressed.is_file():
        return compressed
    if files.md5_of_content and (folder / file).is_file():
        return folder / file
    raise DataError(f"{compressed.name} is not there")


def _keep(files: IdxFiles, folder: Path, kept: Path, tell: Tell) -> None:
    """Copy missing or wrong files to `kept`. A wrong file there is renamed, not removed."""
    for file in files.md5:
        target = kept / f"{file}.gz"
        try:
            _read_checked(files, kept, file)
        except DataError:
            if target.exists():
                set_aside(target, tell)
            _copy_compressed(_locate(files, folder, file), target)


def set_aside(path: Path, tell: Tell) -> None:
    """Rename a user's wrong file, so that a right one can take its place."""
    aside = path.with_name(f"{path.name}.wrong-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}")
    path.replace(aside)
    tell(f"{path} was wrong and is now {aside.name}")


def _copy_compressed(source: Path, target: Path) -> None:
    if source.suffix == ".gz":
        with source.open("rb") as file:
            write_atomic(target, lambda copy: shutil.copyfileobj(file, copy))
    else:
        write_atomic(target, lambda copy: copy.write(gzip.compress(source.read_bytes(), 6, mtime=0)))


@contextmanager
def _scratch(raw_folder: Path, name: str) -> Iterator[Path]:
    """A temporary folder below `raw_folder` for downloads, for one process at a time."""
    scratch = raw_folder / f".{name}.fetched"
    with locked(raw_folder / f".{name}.lock"):
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            scratch.mkdir()
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _apt_download(scratch: Path, tell: Tell) -> Path:
    """Download and unpack Debian's package without root; on failure, retry with fresh package lists."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise DataError(f"{tool} is not installed")
    scratch.mkdir()
    tell(f"fashion-mnist: downloading Debian's package {DEBIAN_PACKAGE} (31 MB)")
    try:
        _run(["apt-get", "download", DEBIAN_PACKAGE], scratch)
    except DataError as error:
        tell(f"fashion-mnist: {error}; retrying with fresh package lists")
        private = ["-o", f"Dir::State={scratch / 'state'}", "-o", f"Dir::Cache={scratch / 'cache'}"]
        (scratch / "state" / "lists" / "partial").mkdir(parents=True)
        (scratch / "cache" / "archives" / "partial").mkdir(parents=True)
        _run(["apt-get", *private, "update"], scratch)
        _run(["apt-get", *private, "download", DEBIAN_PACKAGE], scratch)
    packages = list(scratch.glob("*.deb"))
    if len(packages) != 1:
        raise DataError(f"apt-get download left {len(packages)} packages instead of one")
    _run(["dpkg-deb", "-x", str(packages[0]), str(scratch / "unpacked")], scratch)
    return scratch / "unpacked" / DEBIAN_FOLDER


def _run(command: list[str], folder: Path) -> None:
    """Run a command in `folder`; raises DataError with the last line of its errors."""
    try:
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{command[0]} took more than {COMMAND_SECONDS:.0f} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise DataError(f"{command[0]} failed: {lines[-1]}") from error


def _torchvision_download(files: IdxFiles, scratch: Path, tell: Tell) -> Path:
    """The `.gz` files from torchvision's mirrors, each checked by torchvision's own MD5."""
    from torchvision.datasets.utils import download_url

    tell(f"{files.name}: downloading from torchvision's mirrors")
    dataset = _torchvision(files.torchvision_class)
    for file, md5 in dataset.resources:
        faults = []
        for mirror in dataset.mirrors:
            try:
                with patience():
                    download_url(f"{mirror}{file}", str(scratch), file, md5)
                break
            except DOWNLOAD_ERRORS as error:
                faults.append(f"{mirror}{file}: {error}")
        else:
            raise DataError("; ".join(faults))
    return scratch


DOWNLOAD_ERRORS = (OSError, RuntimeError, http.client.HTTPException)
"""What a download of torchvision's fails with; URLError and time-outs are OSErrors, a wrong MD5 a RuntimeError."""


@contextmanager
def patience() -> Iterator[None]:
    """Let no connection that torchvision opens stall for ever; it sets no time-out itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _torchvision(class_name: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, class_name)
