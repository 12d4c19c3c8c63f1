"""The DVC pipeline as its users meet it: on a clone of the tracked files, with real data, DVC, MLflow and trainings."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from processes import wait_until, wait_until_ended

from pipeline.evidence.records import GroupRecord
from pipeline.schema import read_record
from pipeline.settings import choose_profile
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def clone(raw_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A git repository of the checkout's tracked files, with the smoke profile chosen, after its first `dvc repro`."""
    root = tmp_path_factory.mktemp("clone") / "convstudy"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        left_out = name.startswith(("tests/", "reports/published/")) and "/population/" not in name
        if (CHECKOUT / name).is_file() and not left_out:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, root / name)
    workspace = Workspace(root)
    shutil.copytree(raw_fashion_mnist, workspace.raw_data / "fashion-mnist")
    choose_profile(workspace.params_file, "smoke")
    for arguments in (["init", "-q"], ["config", "user.name", "t"], ["config", "user.email", "t@t"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    _commit(workspace)
    _repro(workspace)
    return workspace


def test_a_fresh_clone_with_the_committed_lock_file_trains_and_reports(clone: Workspace) -> None:
    assert (clone.results / "report.html").stat().st_size > 500_000
    assert "resnet-small" in (clone.results / "REPORT.md").read_text()
    assert len(list((clone.results / "figures").glob("*.png"))) >= 3
    records = [read_record(GroupRecord, path) for path in sorted((clone.results / "runs").glob("*.json"))]
    assert [(record.group, len(record.networks)) for record in records] == [("lenet", 1), ("resnet", 1)]
    assert {record.profile for record in records} == {"smoke"}
    status = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=clone.root, capture_output=True, text=True, check=True
    ).stdout
    named = {line[3:] for line in status.splitlines()}
    assert named <= {
        "dvc.lock",
        *(f"reports/results/{name}" for name in ("metrics.json", "networks.csv", "curves.csv")),
    }


def test_nothing_runs_again_when_nothing_changed(clone: Workspace) -> None:
    assert _stages_run(_repro(clone)) == set()


def test_a_study_moves_by_push_and_pull_to_a_machine_that_repeats_nothing(clone: Workspace, tmp_path: Path) -> None:
    _dvc(clone, "remote", "add", "--default", "store", str(tmp_path / "remote"))
    _dvc(clone, "push")
    _commit(clone)
    other = Workspace(tmp_path / "other")
    subprocess.run(["git", "clone", "-q", clone.root, other.root], check=True)
    shown = _dvc(other, "metrics", "show", "--json").stdout  # nothing is pulled yet: from git
    assert json.loads(shown) == json.loads(_dvc(clone, "metrics", "show", "--json").stdout)
    assert "lenet-small" in shown
    assert _dvc(other, "metrics", "diff", "--json").stdout.strip() == "{}"
    assert any("networks.csv" in name for name in json.loads(_dvc(other, "plots", "diff", "--json").stdout)["data"])
    assert "!" not in _dvc(other, "exp", "show", "--only-changed", "--csv").stdout
    _dvc(other, "pull")
    assert _stages_run(_repro(other)) == set()
    assert (other.results / "report.html").read_bytes() == (clone.results / "report.html").read_bytes()


def test_code_makes_those_stages_stale_whose_output_it_can_change(clone: Workspace) -> None:
    def edited(*names: str) -> set[str]:
        texts = {clone.root / name: (clone.root / name).read_text() for name in names}
        for path, text in texts.items():
            path.write_text(f"{text}\n# Another version.\n")
        stale = json.loads(_dvc(clone, "status", "--json").stdout)
        for path, text in texts.items():
            path.write_text(text)
        return set(stale)

    assert edited("pipeline/errors.py", "pipeline/running/display.py", "pipeline/tracking/mirror.py") == set()
    assert edited("pipeline/reporting/charts/chart.py") == {"report"}
    assert edited("pipeline/claims/timings/measuring.py") >= {"timing"}  # imported late
    stale = edited("search_spaces/lenet.py")
    assert stale >= {"profile", "reproduce", "search", "finalists"} and not stale & {"prepare", "simulation"}


def test_a_change_of_one_profile_makes_nothing_stale_in_another(clone: Workspace) -> None:
    text = clone.params_file.read_text()
    _edit(clone, "seeds: 4\n    networks: &small", "seeds: 3\n    networks: &small")  # of the profile quick
    stale = json.loads(_dvc(clone, "status", "--json").stdout)
    clone.params_file.write_text(text)
    assert stale == {}


def test_changing_one_networks_entry_and_a_searchs_finalists_runs_these_and_the_report(clone: Workspace) -> None:
    before = _measurements(clone)
    searched = json.loads((clone.results / "studies" / "lenet.json").read_text())
    _edit(clone, "resnet: {resnet-small: {}}", "resnet: {resnet-small: {rates: [0.02]}}", once=True)
    _edit(clone, "finalists: {seeds: 2, members: 1, random", "finalists: {seeds: 3, members: 1, random", once=True)
    assert _stages_run(_repro(clone)) == {"plan", "reproduce", "search", "finalists", "report"}
    after = _measurements(clone)
    assert {run: after[run] for run in before} == before  # finished runs were used, not trained again
    (member,) = json.loads((clone.results / "finalists" / "lenet.json").read_text())["members"]
    assert member["test_error_percent"]["n"] == 3
    again = json.loads((clone.results / "studies" / "lenet.json").read_text())
    assert again["trials"] == searched["trials"]


def test_rewording_and_reordering_claims_trains_nothing(clone: Workspace) -> None:
    before = _measurements(clone)
    path = clone.root / "reports" / "claims.yaml"
    content = yaml.safe_load(path.read_text())
    content["claims"]["B1"]["statement"] = "With batch norm one may take larger steps."
    for part in ("claims", "experiments"):
        content[part] = dict(reversed(content[part].items()))
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    assert _stages_run(_repro(clone)) == {"plan", "simulation", "judge", "report"}
    assert _measurements(clone) == before
    claims = json.loads((clone.results / "claims.json").read_text())
    assert claims[0]["id"] == "S1" and "larger steps" in next(c for c in claims if c["id"] == "B1")["statement"]


def test_metrics_and_plots_are_what_dvc_users_expect(clone: Workspace) -> None:
    shown = json.loads(_dvc(clone, "metrics", "show", "--json").stdout)
    (values,) = (entry["data"] for entry in shown[""]["data"].values())
    assert set(values["test_error_percent"]) == {"lenet-small", "resnet-small"}
    assert 0 < values["test_error_percent"]["lenet-small"] < 100 and sum(values["claims"].values()) == 70
    (changed,) = json.loads(_dvc(clone, "metrics", "diff", "--json").stdout).values()
    assert set(changed["test_error_percent.resnet-small"]) == {"old", "new", "diff"}  # retrained since the last commit
    plots = json.loads(_dvc(clone, "plots", "diff", "--json").stdout)
    assert any("curves.csv" in name for name in plots["data"])


def test_an_experiment_with_another_setting_runs(clone: Workspace) -> None:
    done = _dvc(clone, "exp", "run", "--set-param", "profiles.smoke.seeds=1", "reproduce")
    assert done.returncode == 0
    record = read_record(GroupRecord, clone.results / "runs" / "lenet.json")
    assert len(record.networks[0].runs) == 1
    shown = _dvc(clone, "exp", "show", "--only-changed", "--csv").stdout.splitlines()
    columns = shown[0].split(",")
    assert "profiles.smoke.seeds" in columns and "!" not in "".join(shown)
    assert len(columns) <= 20, columns


def test_a_killed_pipeline_leaves_no_child_and_goes_on(clone: Workspace) -> None:
    text = clone.params_file.read_text()
    more, count = re.subn(r"(smoke:.*?seeds: )\d+", r"\g<1>3", text, count=1, flags=re.DOTALL)
    assert count == 1
    clone.params_file.write_text(more)
    process = subprocess.Popen(
        [*_dvc_command(), "repro", "reproduce"], cwd=clone.root, env=_environment(), stdout=subprocess.DEVNULL
    )
    children: list[psutil.Process] = []

    def trains() -> bool:
        assert process.poll() is None
        children[:] = psutil.Process(process.pid).children(recursive=True)
        return any("pipeline.stages.reproduce" in " ".join(_command_line(child)) for child in children)

    wait_until(trains)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until_ended(children)
    assert not (clone.results / "runs" / "lenet.json").exists(), "the stage went on without its DVC"
    _dvc(clone, "repro", "reproduce")
    record = read_record(GroupRecord, clone.results / "runs" / "lenet.json")
    assert [run.state for run in record.networks[0].runs] == ["complete"] * 3


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _commit(workspace: Workspace) -> None:
    for arguments in (["add", "-A"], ["commit", "-qm", "t"]):
        subprocess.run(["git", *arguments], cwd=workspace.root, check=True)


def _edit(workspace: Workspace, old: str, new: str, once: bool = False) -> None:
    text = workspace.params_file.read_text()
    assert old in text
    workspace.params_file.write_text(text.replace(old, new, 1 if once else -1))


def _measurements(workspace: Workspace) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in workspace.runs.glob("*/measurement.json")}


def _environment() -> dict[str, str]:
    """The clone is what is imported, and this interpreter what `python` means."""
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # many processes
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": ".",
        "DVC_NO_ANALYTICS": "1",
    }


def _dvc_command() -> list[str]:
    return [sys.executable, "-m", "dvc"]


def _dvc(workspace: Workspace, *arguments: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [*_dvc_command(), *arguments],
        cwd=workspace.root,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def _repro(workspace: Workspace) -> str:
    return _dvc(workspace, "repro").stdout


def _stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))
