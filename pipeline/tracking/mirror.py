"""The live mirror: MLflow follows a study while it runs, so that users can watch the curves grow.

Only the driver process writes; workers never do. A store that fails is reported once and then left alone; it never
stops a training. Nothing reads from MLflow, and `convstudy replay` rebuilds it from the run store.

experiment convstudy/<experiment>       of a Membership: networks, searches, single trainings
  <parent>                              a network, or a study: costs, summary scores, figures
    <parent>, seed 3                    one membership of one run: parameters, costs, curves, scores, model
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pipeline.errors import StorageError
from pipeline.evidence.records import Epoch, Membership, RunHeader
from pipeline.evidence.store import RunFolder
from pipeline.process import uninterrupted
from pipeline.tracking.client import MlflowStore
from pipeline.tracking.content import (
    GROUP_EXPERIMENT,
    REPORT_EXPERIMENT,
    ROLE,
    SEARCH_EXPERIMENT,
    Entry,
    Status,
    epoch_points,
    parent_entry,
    parent_status,
    reason_tag,
    refusal_tag,
    run_entry,
)
from pipeline.tracking.experiments import artifact_page
from pipeline.tracking.settle import kept_weights, logged_epoch, obtain, read_ending, settle_parent, settle_run
from pipeline.tracking.store import open_store, reason, tracking_errors
from pipeline.tracking.summaries import Summary
from pipeline.tracking.system_metrics import SystemMetrics


def code_commit(root: Path) -> str | None:
    """The commit that the code in `root` was checked out from, with "+changed" if files differ from it.

    None if there is no git, or git does not track the code (an archive unpacked inside another repository).
    """

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]  # it writes nothing there
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", ".")
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/pipeline", ":/search_spaces")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changed" if changed else commit


Write = Callable[[MlflowStore], object]


@dataclass
class _Live:
    """A child run that this process keeps RUNNING. `logged` is the last epoch written."""

    member: Membership
    entry: Entry
    run_id: str | None = None
    logged: int = -1
    refused: list[str] = field(default_factory=list)


@dataclass
class _Parent:
    """A parent run as this process knows it. Its record ends it, or `close` does."""

    experiment_id: str
    run_id: str
    status: str


class Mirror:
    """MLflow as the driver sees it; no method raises because of MLflow. Use `with`, so that no run stays RUNNING."""

    def __init__(
        self, folder: Path, store: MlflowStore | None, tell: Callable[[str], object], commit: str | None
    ) -> None:
        self._folder, self._store, self._tell, self._commit = folder, store, tell, commit
        self._system_metrics = SystemMetrics()
        self._live: dict[str, list[_Live]] = {}
        self._parents: dict[str, _Parent] = {}

    @classmethod
    def open(cls, folder: Path, tell: Callable[[str], object], commit: str | None = None) -> "Mirror":
        """The mirror in a workspace's MLflow folder. If that cannot be opened, `tell` gets the reason; it stays off."""
        try:
            return cls(folder, open_store(folder), tell, commit)
        except StorageError as error:
            tell(_off(str(error)))
            return cls(folder, None, tell, commit)

    @classmethod
    def off(cls, folder: Path) -> "Mirror":
        """A mirror that writes nothing."""
        return cls(folder, None, lambda line: None, None)

    def started(self, header: RunHeader) -> None:
        """A run starts or resumes: its child runs are created or found, and set RUNNING."""
        self._attempt(lambda store: self._start(store, header))

    def epochs(self, header: RunHeader, history: Sequence[Epoch]) -> None:
        """The history has grown: writes the epochs that no process has logged yet."""
        self._attempt(lambda store: self._follow(store, header, history))

    def finished(self, folder: RunFolder, on_front: bool = False) -> None:
        """A run has its result, new or old: its child runs get it, their final status, and a model of kept weights.

        Only trials on a study's front get a model.
        """
        self._attempt(lambda store: self._finish(store, folder, on_front))

    def interrupted(self, header: RunHeader) -> None:
        """A run was stopped before its end; it may resume later."""
        self._attempt(lambda store: self._drop(store, header.run, "KILLED"))

    def failed(self, header: RunHeader, reason: str) -> None:
        """A run failed without a result, for a passing reason (such as memory); it may be retried later."""
        self._attempt(lambda store: self._drop(store, header.run, "FAILED", reason))

    def parent(self, experiment: str, name: str, summary: Summary) -> None:
        """A network's or a study's record is written: its parent run gets the summary, and ends."""
        self._attempt(lambda store: self._close_parent(store, experiment, name, summary))

    def report(self, profile: str, summary: Summary) -> None:
        """A report is written: its run (one per profile) gets the files as they are now, and ends."""
        self._attempt(lambda store: self._report(store, profile, summary))

    def close(self) -> None:
        """End everything that is open: runs as KILLED, parents by how their runs ended."""
        self._attempt(self._close)
        self._system_metrics.stop_all()
        self._store = None

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self, write: Write) -> None:
        if self._store is None:
            return
        try:
            with uninterrupted():
                self._write(self._store, write, self._tell)
        except tracking_errors() as error:
            self._store = None
            self._tell(_off(f"{self._folder}: {reason(error)}"))

    def _write(self, store: MlflowStore, write: Write, tell: Callable[[str], object]) -> None:
        try:
            write(store)
        except StorageError as error:  # a record cannot be read
            tell(f"MLflow does not show a run: {error}")

    def _start(self, store: MlflowStore, header: RunHeader) -> list[_Live]:
        lives = [_Live(member, run_entry(header, member, self._commit)) for member in header.members]
        self._live[header.run] = lives
        for live in lives:
            parent = self._parent(store, live.member.experiment, live.member.parent)
            if parent.status != "RUNNING":
                store.reopen(parent.run_id)
                parent.status = "RUNNING"
            run = obtain(store, live.entry, parent.run_id, _now_ms())
            live.run_id, live.logged = run.info.run_id, logged_epoch(run)
            if run.info.status != "RUNNING":
                store.reopen(run.info.run_id)
            self._system_metrics.start(store.uri, run.info.run_id)
        return lives

    def _follow(self, store: MlflowStore, header: RunHeader, history: Sequence[Epoch]) -> None:
        now_ms = _now_ms()
        for live in self._live.get(header.run) or self._start(store, header):
            points, refused = epoch_points(history, live.logged)
            if points and live.run_id is not None:
                live.refused += refused
                tags = refusal_tag(live.refused) if refused else {}
                store.log(live.run_id, points, lambda step: now_ms, tags=tags)
                live.logged = history[-1].epoch

    def _finish(self, store: MlflowStore, folder: RunFolder, on_front: bool) -> None:
        header, ending = folder.header(), read_ending(folder)
        if header is None or ending is None:
            self._drop(store, folder.run, "KILLED")
            return
        weights = kept_weights(store, folder)
        for live in self._live.get(folder.run, []):
            self._system_metrics.stop(live.run_id)
        for member in header.members:
            parent = self._parent(store, member.experiment, member.parent)
            shown = weights if on_front or member.role != "trial" else None
            settle_run(store, run_entry(header, member), ending, parent.run_id, weights=shown)
        self._live.pop(header.run, None)

    def _drop(self, store: MlflowStore, run: str, status: Status, reason: str | None = None) -> None:
        for live in self._live.get(run, []):
            self._parent(store, live.member.experiment, live.member.parent)
            if live.run_id is None:  # interrupted while it was created
                found = store.find(live.entry)
                live.run_id = found.info.run_id if found is not None else None
            if live.run_id is not None:
                self._system_metrics.stop(live.run_id)
                if reason is not None:
                    store.log(live.run_id, tags=reason_tag(reason))
                store.end(live.run_id, status, _now_ms())
        self._live.pop(run, None)

    def _parent(self, store: MlflowStore, experiment: str, parent: str) -> _Parent:
        entry = parent_entry(experiment, parent)
        if entry.key not in self._parents:
            run = obtain(store, entry, None, _now_ms())
            self._parents[entry.key] = _Parent(run.info.experiment_id, run.info.run_id, run.info.status)
        return self._parents[entry.key]

    def _close_parent(self, store: MlflowStore, experiment: str, name: str, summary: Summary) -> None:
        entry = parent_entry(experiment, name)
        run = settle_parent(store, entry, obtain(store, entry, None, _now_ms()), summary, _now_ms())
        self._parents[entry.key] = _Parent(run.info.experiment_id, run.info.run_id, run.info.status)
        if self._end_parent(store, self._parents[entry.key]) != "RUNNING":
            del self._parents[entry.key]

    def _report(self, store: MlflowStore, profile: str, summary: Summary) -> None:
        entry = parent_entry(REPORT_EXPERIMENT, profile)
        run = settle_parent(store, entry, obtain(store, entry, None, _now_ms()), summary, _now_ms())
        if run.info.status != "FINISHED":
            store.end(run.info.run_id, "FINISHED", _now_ms())
        page = artifact_page(run.info.experiment_id, run.info.run_id, "report.html")
        for experiment in (GROUP_EXPERIMENT, SEARCH_EXPERIMENT, REPORT_EXPERIMENT):
            store.describe(experiment, page)

    def _close(self, store: MlflowStore) -> None:
        for run in list(self._live):
            self._drop(store, run, "KILLED")
        for parent in self._parents.values():
            self._end_parent(store, parent, unfinished="KILLED")

    def _end_parent(self, store: MlflowStore, parent: _Parent, unfinished: Status = "RUNNING") -> Status:
        """Give a network the status that follows from its runs, or `unfinished` while one is running; return it."""
        with store.lock:  # so that no other process ends the network between this reading and this writing
            children = store.children(parent.experiment_id, parent.run_id)
            status = parent_status([(child.data.tags.get(ROLE, ""), child.info.status) for child in children])
            status = unfinished if status == "RUNNING" else status
            if status not in ("RUNNING", parent.status):
                store.end(parent.run_id, status, _now_ms())
        return status


def _now_ms() -> int:
    return round(time.time() * 1000)


def _off(why: str) -> str:
    return f"MLflow is no longer written, trainings continue: {why} (`convstudy replay` rebuilds it from the run store)"
