"""Checkpoints that survive a kill at any time. Damaged ones are detected by their hash.

`checkpoint-<epoch>.pt` is written to a temporary file, fsynced and renamed. Its SHA-256 is written first, so a
checkpoint without a matching hash is incomplete. The newest two are kept; if the newest is damaged, the other is used.
Loading is restricted to tensors and plain values (`weights_only`), so a hostile file cannot run code.
"""

import hashlib
import io
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pipeline.files import sha256_file, write_atomic, write_text

KEPT = 2


@dataclass
class Checkpoints:
    """The checkpoints of one training, in its folder, written at epoch ends, at least `every_seconds` apart."""

    folder: Path
    every_seconds: float = 30.0
    _last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether enough time has passed since the last checkpoint or the start."""
        return time.monotonic() - self._last >= self.every_seconds

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write the state after `epoch` epochs, then remove all except the newest two."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        path = self.folder / f"checkpoint-{epoch:05d}.pt"
        write_text(_hash_file(path), hashlib.sha256(content).hexdigest() + "\n")
        write_atomic(path, lambda file: file.write(content))
        for old in self._paths()[:-KEPT]:
            _remove(old)
        self._last = time.monotonic()

    def load(self, device: str) -> dict[str, Any] | None:
        """Load the newest undamaged state, or None. Warns about each damaged file."""
        damaged = False
        for leftover in self.folder.glob(".checkpoint-*.tmp"):  # from a killed write
            leftover.unlink()
        for path in reversed(self._paths()):
            if _is_whole(path):
                state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
                return state
            warnings.warn(f"damaged checkpoint {path}: its SHA-256 does not fit; not used", stacklevel=2)
            _remove(path)
            damaged = True
        if damaged:
            warnings.warn(f"no whole checkpoint in {self.folder}: training starts from the beginning", stacklevel=2)
        return None

    def clear(self) -> None:
        """Remove all checkpoints, their hashes and temporary files, once a run is done."""
        for path in (*self.folder.glob("checkpoint-*"), *self.folder.glob(".checkpoint-*.tmp")):
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.pt"))


def _hash_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _is_whole(path: Path) -> bool:
    expected = _hash_file(path)
    return expected.exists() and expected.read_text().strip() == sha256_file(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _hash_file(path).unlink(missing_ok=True)
