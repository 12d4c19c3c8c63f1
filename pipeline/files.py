"""Atomic writes, canonical JSON and SHA-256.

A write goes to a temporary file in the same folder. That file is flushed, fsynced and renamed to the target, and the
folder is fsynced. So a reader, even after a power loss, sees either the old content or the new one.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from pipeline.errors import StorageError


def write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace `path` atomically by what `write(file)` writes; raises StorageError with the path if that fails."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        temporary = None
        fsync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def is_writable(path: Path) -> bool:
    """Whether this process may write `path` or, if it does not exist, the nearest existing folder above it."""
    there = next(found for found in (path, *path.absolute().parents) if found.exists())
    return os.access(there, os.W_OK)


def fsync_folder(folder: Path) -> None:
    """Flush renames and removals inside `folder` to disk, so that they survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fresh_folder(folder: Path) -> Path:
    """Create an empty folder, deleting an existing one; raises StorageError with its path if that fails."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder


def write_bytes(path: Path, content: bytes) -> None:
    """Atomically write bytes."""
    write_atomic(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> None:
    """Atomically write UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Atomically write indented JSON; raises ValueError for NaN and infinity, which JSON does not have."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read the JSON value in `path`; raises StorageError with its path if it is missing or invalid."""
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise StorageError(f"{path} is not valid JSON: {error}") from error


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal values have equal text; raises ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_text(text: str) -> str:
    """Hexadecimal SHA-256 of UTF-8 text."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
