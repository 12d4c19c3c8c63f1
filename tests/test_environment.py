"""A container's user: an id without a name, no home folder, and a clone that belongs to another user."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import environment
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[1]
NOBODY, OWNER = 12345, 54321
"""Ids without a name: who runs the commands, and who owns the clone."""
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
READS_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""Lets the user read this interpreter, which may lie in root's home folder; writing stays refused."""

AsNobody = Callable[..., str]


@pytest.fixture(scope="module")
def clone(prepared_fashion_mnist: Path) -> Iterator[Workspace]:
    """A git repository of the checkout's code, with prepared data, that all may write and another user owns.

    It does not lie in pytest's folder, which other users may not enter.
    """
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to run commands as another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        workspace = Workspace(Path(folder).resolve() / "clone")
        _copy_checkout(workspace)
        shutil.copytree(prepared_fashion_mnist, workspace.prepared_data / "fashion-mnist")
        for path in (workspace.root, *workspace.root.rglob("*")):
            os.chown(path, OWNER, OWNER)
            path.chmod(path.stat().st_mode | (0o777 if path.is_dir() else 0o666))
        yield workspace


def _copy_checkout(workspace: Workspace) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file() and not name.startswith(("tests/", "reports/published/")):
            (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, workspace.root / name)
    for command in ("init -q", "add -A", "-c user.name=t -c user.email=t@t commit -qm t"):
        subprocess.run(["git", *command.split()], cwd=workspace.root, check=True)


@pytest.fixture
def as_nobody(clone: Workspace) -> AsNobody:
    """Runs a command in the clone as a user without name and home folder; returns its output, errors included."""

    def run(*command: str, code: int = 0, **variables: str) -> str:
        program_folder = Path(sys.executable).parent
        done = subprocess.run(
            [*AS_NOBODY, *READS_ALL, *command],
            cwd=clone.root,
            env={"PATH": f"{program_folder}{os.pathsep}{os.defpath}", "PYTHONPATH": str(clone.root), **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    return run


def test_a_user_without_name_and_home_trains_and_searches(clone: Workspace, as_nobody: AsNobody) -> None:
    def convstudy(*arguments: str, **variables: str) -> str:
        return as_nobody(sys.executable, "-m", "pipeline.verbs.app", *arguments, **variables)

    small = ("--epochs", "1", "--train-images", "256")
    assert "validation error" in convstudy("train", "lenet-small", *small)
    searched = convstudy("search", "lenet", "--trials", "1", "--max-macs", "1M", "--study", "tiny", *small, HOME="/")
    assert "study tiny: complete, 1 counted" in searched
    assert "tiny" in convstudy("studies", HOME="/nonexistent")
    assert "complete" in convstudy("status", "tiny", HOME="")
    assert "FAULT" not in convstudy("doctor")
    owners = {path.stat().st_uid for path in (clone.mlflow / "mlflow.db", clone.studies)}
    assert owners == {NOBODY}
    assert not (clone.root / "~").exists()


def test_such_a_user_starts_the_stage_that_draws(as_nobody: AsNobody) -> None:
    said = as_nobody(sys.executable, "-m", "pipeline.stages.report", "docs", code=2)
    assert "nothing to report: docs has no runs" in said


def test_such_a_users_runs_name_the_commit_of_the_code_that_another_owns(clone: Workspace, as_nobody: AsNobody) -> None:
    (head,) = (clone.root / ".git" / "refs" / "heads").iterdir()
    code = "from pipeline.environment import complete_environment as complete; complete(); complete()\n"
    code += "from pathlib import Path; from pipeline.tracking.mirror import code_commit\n"
    code += "print('commit', code_commit(Path()))"
    assert f"commit {head.read_text().strip()}" in as_nobody(sys.executable, "-c", code)


def test_such_a_user_runs_dvc_with_its_cache_in_the_clone(clone: Workspace, as_nobody: AsNobody) -> None:
    in_environment = (sys.executable, "-m", "pipeline.environment", sys.executable, "-m", "dvc")
    assert "plan:" in as_nobody(*in_environment, "status")
    assert (clone.root / ".dvc" / "tmp" / "site").stat().st_uid == NOBODY
    as_nobody(*in_environment, "repro", "--single-item", "--force", "--no-commit", "plan")
    assert (clone.plans / "reproduce").stat().st_uid == NOBODY


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment that `complete_environment` completes: of a user who lacks nothing."""
    mine = {"HOME": str(tmp_path), "USER": "ada", "DVC_SITE_CACHE_DIR": "/elsewhere"}
    monkeypatch.setattr(os, "environ", mine)
    return mine


def test_what_is_there_stays(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(variables)
    environment.complete_environment()
    assert variables == before


def test_a_trusted_clone_is_added_to_gits_settings_once(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(environment, "_CLONE", tmp_path / "within")
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    variables |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.pager", "GIT_CONFIG_VALUE_0": "cat"}
    for _ in range(2):
        environment.complete_environment()
    assert variables["GIT_CONFIG_COUNT"] == "2" and variables["GIT_CONFIG_KEY_0"] == "core.pager"
    assert (variables["GIT_CONFIG_KEY_1"], variables["GIT_CONFIG_VALUE_1"]) == ("safe.directory", str(tmp_path))
