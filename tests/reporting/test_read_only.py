"""Verbs that only read, in a workspace that may not be written: mounted read-only, or another user's."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CHECKOUT, make_study
from report_records import nine_networks, nine_profiles, write_results
from verbs import SMALL, called

from pipeline.evidence.study_records import Budget
from pipeline.search.storage import storage_url
from pipeline.search.studies import Studies
from pipeline.workspace import Workspace

_READ = """
import sys
from pipeline.errors import ConvstudyError
from pipeline.verbs.app import app

for verb in sys.argv[1:]:
    print(f"<{verb}>")
    try:
        app(verb.split(), standalone_mode=False)
    except ConvstudyError as error:
        print(f"error: {error}")
"""
_MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def _prefix(way: str, root: Path) -> list[str]:
    if way == "mount":
        return ["unshare", "--mount", "sh", "-c", _MOUNTED, str(root)]
    return ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]


def read_in(workspace: Workspace, way: str, *verbs: str) -> dict[str, str]:
    """What verbs print, each called in a process that cannot write the workspace; skips where there is no such way."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a folder read-only or become another user")
    prefix = _prefix(way, workspace.root)
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, 12345, 12345)
        environment = {**os.environ, "CONVSTUDY_HOME": str(workspace.root), "HOME": home, "PYTHONPATH": str(CHECKOUT)}
        tried = subprocess.run([*prefix, sys.executable, "-c", "import pipeline"], env=environment, capture_output=True)
        if tried.returncode:
            pytest.skip(f"not possible here: {tried.stderr.decode().strip()}")
        written = [*prefix, "touch", str(workspace.root / "written")]
        assert subprocess.run(written, env=environment, capture_output=True).returncode != 0
        verbs = tuple(verb.replace("HOME", home) for verb in verbs)
        command = [*prefix, sys.executable, "-c", _READ, *verbs]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        if (Path(home) / "report").exists():
            assert (Path(home) / "report" / "report.html").exists()
    parts = [part.partition(">\n") for part in ("\n" + done.stdout).split("\n<")[1:]]
    return {verb.replace(home, "HOME"): said for verb, _, said in parts}


def files_of(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("*")}


@pytest.fixture(scope="module")
def searched(prepared_fashion_mnist: Path) -> Iterator[Workspace]:
    """A workspace with a study, records and claims, where another user can read it."""
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        workspace = make_study(Path(folder) / "study", prepared_fashion_mnist, monkeypatch)
        called(workspace, "search", "lenet", "--trials", "1", *SMALL, "--study", "first")
        write_results(workspace.results, (nine_networks(),), nine_profiles())
        (workspace.root / "reports" / "claims.yaml").write_bytes((CHECKOUT / "reports" / "claims.yaml").read_bytes())
        yield workspace


@pytest.mark.parametrize("way", ["mount", "user"])
def test_verbs_that_read_need_not_write_the_workspace(searched: Workspace, way: str) -> None:
    verbs = (
        "status first --json -",
        "studies",
        "doctor",
        "claims",
        "gc --dry-run",
        "report",
        "report --into HOME/report",
    )
    before = files_of(searched.root)
    said = read_in(searched, way, *verbs)
    assert files_of(searched.root) == before
    status = json.loads(said["status first --json -"])
    assert (status["state"], status["counted"]) == ("complete", 1)
    assert said["studies"].split()[:3] == ["first", "complete", "1"]
    assert "first complete, 1 counted" in said["doctor"] and "FAULT" not in said["doctor"]
    assert "70 claims: " in said["claims"]
    assert said["gc --dry-run"].strip().endswith("bytes")
    (refused,) = said["report"].splitlines()
    assert refused.startswith(f"error: cannot write the report into {searched.results}: the folder is read-only")
    assert said["report --into HOME/report"].strip().endswith("/report/report.html")


@pytest.mark.parametrize("way", ["mount", "user"])
def test_a_search_at_work_is_seen_by_those_who_may_not_write(searched: Workspace, way: str) -> None:
    with (
        Studies(storage_url(searched, None), searched.locks) as studies,
        (study := studies.open("first")).driven(),
    ):
        before = study.budget
        study.note(budget=Budget(trials=77))  # in the log alone: SQLite has not moved it into the file yet
        said = read_in(searched, way, "status first --json -")
        study.note(budget=before)
    status = json.loads(said["status first --json -"])
    assert (status["state"], status["budget"]) == ("running", {"trials": 77})
