"""A driver that kills itself with SIGKILL at a boundary: `python driver_to_kill.py DATA ROOT AT N`.

AT names a boundary of BOUNDARIES, N its how-manieth passing; with N = 0 it goes to the end.
"""

import os
import signal
import sys
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
    "after a trial has entered": (StoredStudy, "add", True),
    "before a trial's progress": (StoredStudy, "update", False),
    "between a trial's progress and its state": (RDBStorage, "set_trial_state_values", False),
    "after a trial's state": (RDBStorage, "set_trial_state_values", True),
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


if __name__ == "__main__":
    data, root, boundary, how_many = sys.argv[1:]
    if int(how_many):
        kill_at(boundary, int(how_many))
    manifest = load_manifest(Path(data))
    searched(Path(root), manifest, table_plan(manifest, epochs=3), TRIALS, TableExecutor(1))
