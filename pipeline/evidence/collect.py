"""Cleans the run store: leftovers of ended processes, runs of older engines, and weights on request."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from pipeline.errors import StorageError
from pipeline.evidence.store import RunFolder
from pipeline.process import is_locked
from pipeline.training import PROTOCOL_VERSION


def collect(runs: Path, weights: bool, remove: bool) -> list[dict[str, Any]]:
    """Find, and with `remove` delete, what no finished run needs. A run in training is left alone.

    Returns path, bytes and reason of each item. If a run's test score is requested after its weights were removed, the
    run is trained again.
    """
    found = []
    for path in sorted(runs.iterdir()) if runs.exists() else ():
        if not path.is_dir() or path.name.startswith("."):
            continue
        folder = RunFolder(path)
        if not remove:  # write nothing, not even the lock
            found += [] if is_locked(folder.lock) else [_described(*item) for item in _removable(folder, weights)]
            continue
        try:
            with filelock.FileLock(folder.lock, blocking=False):
                for item, why in _removable(folder, weights):
                    found.append(_described(item, why))
                    _delete(item)
        except filelock.Timeout:
            continue
    return found


def _described(item: Path, why: str) -> dict[str, Any]:
    return {"path": str(item), "bytes": _bytes(item), "why": why}


def _removable(folder: RunFolder, weights: bool) -> Iterator[tuple[Path, str]]:
    try:
        header, result = folder.header(), folder.result()
    except StorageError:
        yield folder.path, "unreadable: another schema, or damaged"
        return
    if header is None:
        yield folder.path, "no run.json: not a run"
        return
    if header.spec.protocol != PROTOCOL_VERSION:
        yield folder.path, f"engine version {header.spec.protocol}; the current one is {PROTOCOL_VERSION}"
        return
    for path in sorted(folder.path.glob("*.tmp")):
        yield path, "temporary file of an ended process"
    if result is not None and result.state != "stopped":
        for path in sorted((*folder.path.glob("checkpoint-*"), *folder.path.glob("progress.json"))):
            yield path, "checkpoint of a finished run"
        if weights and folder.weights.exists():
            yield folder.weights, "weights of a finished run"


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _delete(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot remove {path}: {error.strerror}") from error
