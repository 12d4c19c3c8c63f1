"""A driver that kills itself with SIGKILL at a boundary."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.storages import RDBStorage
from table_search import TableExecutor, searched, table_plan

from pipeline.data.manifest import load_manifest
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.search.studies import StoredStudy

TRIALS = 8
BOUNDARIES: dict[str, tuple[type, str, bool]] = {
    "before a run is registered": (RunStore, "register", False),
    "after a run was registered": (RunStore, "register", True),
    "before a record of a run": (RunFolder, "write", False),
    "after a record of a run": (RunFolder, "write", True),
    "before a trial enters": (StoredStudy, "add", False),
    "while a trial enters": (RDBStorage, "_get_prepared_new_trial", True),
    "after a trial has entered": (StoredStudy, "add", True),
    "before a trial's progress": (StoredStudy, "update", False),
    "between the writes of a trial's progress": (RDBStorage, "_set_trial_attr_without_commit", True),
    "after a trial's progress": (StoredStudy, "update", True),
    "before a note on the study": (StoredStudy, "note", False),
    "after a note on the study": (StoredStudy, "note", True),
}


def kill_at(at: str, count: int) -> None:
    """Have this process killed at the `count`-th passing of a boundary."""
    owner, method, after = BOUNDARIES[at]
    original: Callable[..., Any] = getattr(owner, method)
    passed = [0]

    def killing(*arguments: object, **named: object) -> object:
        passed[0] += 1
        dies = passed[0] == count
        done = original(*arguments, **named) if after or not dies else None
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, method, killing)


def search_until_killed(data: Path, root: Path, boundary: str, count: int) -> None:
    """Search, in a process of its own, until the `count`-th passing of a boundary, or to the end."""
    kill_at(boundary, count)
    searched(root, load_manifest(data), table_plan(load_manifest(data), epochs=3), TRIALS, TableExecutor(1))
