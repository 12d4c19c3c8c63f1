"""The runs that this process trains, as the other processes in the run store see them."""

import fcntl
import hashlib
from collections import Counter
from typing import IO

from pipeline.evidence.store import RunStore


class HeldRuns:
    """Runs that no other process may train meanwhile; a process has one of these for a store.

    One byte of one file stands for a run, so that thousands of runs need one open file. The operating system releases
    all of them when the process ends, however it ends.
    """

    def __init__(self, store: RunStore) -> None:
        self._path = store.locks / "trained-runs.lock"
        self._file: IO[bytes] | None = None
        self._held: Counter[str] = Counter()

    def take(self, run: str) -> bool:
        """Hold a run, once more if it is held already; False while another process holds it."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        if not self._held[run]:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(run))
            except (BlockingIOError, PermissionError):  # systems differ in which of them says so
                return False
        self._held[run] += 1
        return True

    def release(self, run: str) -> None:
        """Give a run back, as often as it was taken."""
        self._held[run] -= 1
        if not self._held[run] and self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(run))

    def close(self) -> None:
        """Give all runs back."""
        if self._file is not None:
            self._file.close()


def _byte(run: str) -> int:
    return int.from_bytes(hashlib.sha256(run.encode()).digest()[:7])
