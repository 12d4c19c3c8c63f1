"""`convstudy doctor`: installed versions, the device in use, and the state of data and stores."""

import os
import shutil
import sqlite3
import sys
from pathlib import Path

from pipeline.data.arrays import verify
from pipeline.errors import ConvstudyError, DataError
from pipeline.evidence.store import RunStore
from pipeline.machine import hardware, resolve_device, resolve_precision, versions
from pipeline.search.searches import list_studies
from pipeline.settings import read_settings
from pipeline.tracking.location import artifacts_uri, database_file
from pipeline.tracking.store import former_places
from pipeline.workspace import Workspace

COMMANDS = ("git", "make", "dvc", "chromium", "chromedriver", "psql")


def examine(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Facts by section. A fault is reported as a fact, never raised."""
    device = resolve_device()
    return {
        "versions": versions(),
        "device": {"used": device, "precision": resolve_precision("auto", device), **hardware(device)},
        "commands": {name: shutil.which(name, path=_search_path()) or "not found" for name in COMMANDS},
        "settings": {str(workspace.params_file): _settings(workspace)},
        "data": _data(workspace.prepared_data),
        "stores": {
            "runs": _runs(workspace.runs),
            "mlflow": _mlflow(workspace.mlflow),
            "studies": _studies(workspace),
            "disk free": _disk_free(workspace.root),
        },
    }


def _search_path() -> str:
    """The folder of this Python's programs, then PATH."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _disk_free(root: Path) -> str:
    there = next(path for path in (root, *root.absolute().parents) if path.exists())
    return f"{shutil.disk_usage(there).free / 2**30:.1f} GiB"


def _settings(workspace: Workspace) -> str:
    try:
        return f"good, profile {read_settings(workspace.params_file).profile}"
    except ConvstudyError as error:
        return f"FAULT: {error}"


def _data(prepared: Path) -> dict[str, str]:
    states = {}
    for folder in sorted(prepared.iterdir()) if prepared.exists() else ():
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        try:
            verify(folder)
            states[folder.name] = "good: all checksums match"
        except DataError as error:
            states[folder.name] = f"FAULT: {error}"
    return states or {"none": "run `convstudy prepare`"}


def _runs(runs: Path) -> str:
    finished = unfinished = 0
    faults = []
    for folder in RunStore(runs):
        try:
            folder.header()
            result = folder.result()
            if result is None or result.state == "stopped":
                unfinished += 1
            else:
                finished += 1
        except ConvstudyError as error:
            faults.append(str(error))
    counts = f"{finished} finished, {unfinished} unfinished in {runs}"
    return f"FAULT: {counts}; {'; '.join(faults)}" if faults else counts


def _studies(workspace: Workspace) -> str:
    try:
        rows = list_studies(workspace, None)
    except ConvstudyError as error:
        return f"FAULT: {error}"
    studies = "; ".join(f"{row['study']} {row['state']}, {row['counted']} counted" for row in rows)
    return studies or "none yet; start one: `convstudy search`"


def _mlflow(folder: Path) -> str:
    database = database_file(folder)
    if not database.exists():
        return f"none yet at {database}; create it: `convstudy replay`"
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            (state,) = connection.execute("PRAGMA quick_check").fetchone()
            (count,) = connection.execute("SELECT count(*) FROM runs").fetchone()
            moved = former_places(connection, artifacts_uri(folder))
    except sqlite3.Error as error:
        return f"FAULT: {database}: {error}; delete it and run `convstudy replay`"
    if moved and state == "ok":
        return f"moved from {', '.join(moved)}: {count} runs in {database}; correct their paths: `convstudy replay`"
    return f"{'good' if state == 'ok' else 'FAULT: ' + state}: {count} runs in {database}"
