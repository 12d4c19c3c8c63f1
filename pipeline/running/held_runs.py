"""Locks on the runs that this process trains, visible to all processes that use the run store."""

import fcntl
import hashlib
from collections import Counter
from typing import IO

from pipeline.evidence.store import RunStore


class HeldRuns:
    """Runs that no other process may train meanwhile. A process has one HeldRuns per store.

    A run is locked by one byte of one file, so that thousands of runs need a single open file. The operating system
    releases all locks when the process ends, even if it is killed.
    """

    def __init__(self, store: RunStore) -> None:
        self._path = store.locks / "trained-runs.lock"
        self._file: IO[bytes] | None = None
        self._held: Counter[str] = Counter()

    def take(self, run: str) -> bool:
        """Hold a run; False while another process holds it. A run may be taken several times."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        if not self._held[run]:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(run))
            except (BlockingIOError, PermissionError):  # the exception depends on the system
                return False
        self._held[run] += 1
        return True

    def release(self, run: str) -> None:
        """Undo one `take`. The last one releases the run."""
        self._held[run] -= 1
        if not self._held[run] and self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte(run))

    def close(self) -> None:
        """Release all runs."""
        if self._file is not None:
            self._file.close()


def _byte(run: str) -> int:
    return int.from_bytes(hashlib.sha256(run.encode()).digest()[:7])
