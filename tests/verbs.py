"""convstudy's verbs as tests call them: in this process, which has PyTorch loaded, or in one of their own."""

import contextlib
import io
import json
import os
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from held import hold_workers_too
from processes import fresh_processes

from pipeline.errors import UsageError
from pipeline.verbs.app import app, main
from pipeline.workspace import Workspace

SMALL = ("--train-images", "512", "--epochs", "2", "--max-macs", "1M")
"""Options of a search whose trainings take about a second."""


def typed(workspace: Workspace, *arguments: str, code: int = 0, **environment: str) -> str:
    """Run a verb in a process of its own; returns its output, errors included."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.verbs.app", *arguments],
        env={**os.environ, "CONVSTUDY_HOME": str(workspace.root), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "--debug" in arguments or "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def started(workspace: Workspace, *arguments: str) -> "subprocess.Popen[bytes]":
    """A verb at work in a process of its own; its errors are to be read."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.verbs.app", *arguments],
        env={**os.environ, "CONVSTUDY_HOME": str(workspace.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def forked(workspace: Workspace, *arguments: str) -> "ForkServerProcess":
    """A verb at work in a process forked from one that has the imports; its trainings can be held."""
    process = fresh_processes().Process(target=_call_main, args=(workspace.root, arguments), daemon=False)
    process.start()
    return process


def _call_main(root: Path, arguments: tuple[str, ...]) -> None:
    os.environ["CONVSTUDY_HOME"] = str(root)
    sys.argv = ["convstudy", *arguments]
    hold_workers_too()
    main()


def called(workspace: Workspace, *arguments: str) -> str:
    """Run a verb in this process; returns what it prints to standard output."""
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.redirect_stdout(output):
        monkeypatch.setenv("CONVSTUDY_HOME", str(workspace.root))
        app(list(arguments), standalone_mode=False)
    return output.getvalue()


def json_of(workspace: Workspace, *arguments: str) -> Any:
    """The JSON that a verb prints, called in this process."""
    return json.loads(called(workspace, *arguments, "--json", "-"))


def refused(workspace: Workspace, *arguments: str) -> str:
    """What a verb that is refused says, called in this process."""
    with pytest.raises(UsageError) as raised:
        called(workspace, *arguments)
    return str(raised.value)


def trainings_since(workspace: Workspace, moment: float) -> int:
    """How many runs have told since `moment` (of time.time) how far they are."""
    found = 0
    for path in workspace.runs.glob("*/progress.json"):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_mtime >= moment
    return found
