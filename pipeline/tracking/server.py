"""The live mirror on an MLflow server: a thread writes, so that a slow or absent server never delays a training.

Requests wait in a queue of limited length. When a request fails, the server is left alone for a minute; what comes up
meanwhile is dropped and counted. Later updates complete the runs again, and `convstudy replay` writes the rest.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Empty, Full, Queue
from tempfile import TemporaryDirectory
from threading import Thread

from pipeline.errors import StorageError
from pipeline.tracking.client import MlflowStore
from pipeline.tracking.location import shown
from pipeline.tracking.mirror import Mirror, Write
from pipeline.tracking.store import open_server, reason, tracking_errors
from pipeline.tracking.summaries import Summary

QUEUE_LENGTH = 1000
RETRY_SECONDS = 60.0
CLOSE_SECONDS = 30.0
"""How long a command waits at its end for updates that are still queued."""


class ServerMirror(Mirror):
    """A Mirror that writes to a server, from a thread of its own. No method waits, except `close` for a short time."""

    def __init__(
        self,
        folder: Path,
        uri: str,
        tell: Callable[[str], object],
        commit: str | None,
        retry_seconds: float = RETRY_SECONDS,
        close_seconds: float = CLOSE_SECONDS,
        queue_length: int = QUEUE_LENGTH,
    ) -> None:
        super().__init__(folder, None, tell, commit)
        self._uri, self._retry_seconds, self._close_seconds = uri, retry_seconds, close_seconds
        self._queue: Queue[Write | None] = Queue(queue_length)
        self._lines: list[str] = []
        """Messages of the thread; the driver prints them."""
        self._missed, self._is_closed = 0, False
        self._files = TemporaryDirectory()
        self._copies = 0
        self._thread = Thread(target=self._write_all, name="MLflow server", daemon=True)
        self._thread.start()

    def parent(self, experiment: str, name: str, summary: Summary) -> None:
        """As Mirror.parent; files are copied, since they may be gone when they are uploaded."""
        super().parent(experiment, name, replace(summary, files=self._copied(summary.files)))

    def report(self, profile: str, summary: Summary) -> None:
        """As Mirror.report; files are copied, since they may change before they are uploaded."""
        super().report(profile, replace(summary, files=self._copied(summary.files)))

    def close(self) -> None:
        """Write what is queued, for at most `close_seconds`, and say how much the server has missed."""
        if self._is_closed:
            return
        self._attempt(self._close)
        deadline = time.monotonic() + self._close_seconds
        with contextlib.suppress(Full):
            self._queue.put(None, timeout=self._close_seconds)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._is_closed = True
        self._system_metrics.stop_all()
        left = self._thread.is_alive()
        while left:
            try:
                self._missed += self._queue.get_nowait() is not None
            except Empty:
                break
        if left:  # and the one that hangs
            self._missed += 1
        else:
            self._files.cleanup()
        self._print()
        if self._missed:
            self._tell(
                f"the MLflow server {shown(self._uri)} missed {self._missed} updates: "
                "`convstudy replay` writes them when it is back"
            )

    def _attempt(self, write: Write) -> None:
        self._print()
        try:
            self._queue.put_nowait(write)
        except Full:
            self._missed += 1

    def _print(self) -> None:
        while self._lines:
            self._tell(self._lines.pop(0))

    def _copied(self, files: Mapping[str, Sequence[Path]]) -> dict[str, list[Path]]:
        self._copies += 1
        copies: dict[str, list[Path]] = {}
        for number, (name, paths) in enumerate(files.items()):
            target = Path(self._files.name, f"{self._copies}-{number}")
            target.mkdir()
            copies[name] = [Path(shutil.copy(path, target)) for path in paths]
        return copies

    def _write_all(self) -> None:
        """The thread: open the server, write, and pause after a failure."""
        store: MlflowStore | None = None
        paused_until = 0.0
        while (write := self._queue.get()) is not None and not self._is_closed:
            if time.monotonic() < paused_until:
                self._missed += 1
                continue
            try:
                store = store or open_server(self._folder, self._uri)
                self._write(store, write, self._lines.append)
            except StorageError as error:
                failure: str | None = str(error)
            except tracking_errors() as error:
                failure = f"{shown(self._uri)}: {reason(error)}"
            else:
                failure = None
            if failure is not None:
                store, paused_until = None, time.monotonic() + self._retry_seconds
                self._missed += 1
                self._forget_unfinished()
                self._lines.append(f"MLflow misses updates, trainings continue: {failure}")

    def _forget_unfinished(self) -> None:
        """Forget runs whose creation was cut off; the next update looks them up again."""
        self._live = {run: lives for run, lives in self._live.items() if all(live.run_id for live in lives)}
