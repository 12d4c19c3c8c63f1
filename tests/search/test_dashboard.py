"""`convstudy dashboard`: the real optuna-dashboard over a study, asked through its HTTP API."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from conftest import make_study
from processes import LONGEST_SECONDS, wait_until, wait_until_ended
from table_search import TableExecutor, run_table, table_plan
from verbs import refused

from pipeline.data.manifest import load_manifest
from pipeline.search.storage import storage_url
from pipeline.workspace import Workspace

pytest.importorskip("optuna_dashboard")


@pytest.fixture(scope="module")
def workspace(prepared_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with a study of ten trials, and one of Optuna's own with an infeasible trial."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        workspace = make_study(tmp_path_factory.mktemp("dashboard") / "study", prepared_fashion_mnist, monkeypatch)
        url = storage_url(workspace, None)
        plan = table_plan(load_manifest(prepared_fashion_mnist), "lenet", objectives=["error"])
        run_table(workspace.root, load_manifest(prepared_fashion_mnist), plan, 10, TableExecutor(1), url).close()
        foreign = optuna.create_study(storage=url, study_name="foreign")
        foreign.add_trial(optuna.create_trial(value=1.0, constraints={"macs": 5.0}))
        yield workspace


class Dashboard:
    """A dashboard in a process of its own, whose address is what the verb prints."""

    def __init__(self, workspace: Workspace, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        command = [sys.executable, "-m", "pipeline.verbs.app", "dashboard", *arguments, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.said = [output.readline(), output.readline()]

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_SECONDS)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        status, body = self.ask(path)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture(scope="module")
def dashboard(workspace: Workspace) -> Iterator[Dashboard]:
    started = Dashboard(workspace, "study")
    yield started
    started.process.kill()
    started.process.wait()


def test_the_dashboard_shows_the_trials_of_a_study(dashboard: Dashboard, workspace: Workspace) -> None:
    stored = optuna.load_study(study_name="study", storage=storage_url(workspace, None))
    listed = {each["study_name"]: each["study_id"] for each in dashboard.json("/api/studies")["study_summaries"]}
    assert dashboard.said[0].startswith(
        f"optuna-dashboard: http://127.0.0.1:{dashboard.port}/dashboard/studies/{listed['study']} (Ctrl-C"
    )
    assert dashboard.ask(f"/dashboard/studies/{listed['study']}")[0] == 200
    shown = dashboard.json(f"/api/studies/{listed['study']}?after=0")
    assert shown["has_intermediate_values"] and shown["objective_names"] == ["error"]
    for trial, known in zip(shown["trials"], stored.trials, strict=True):
        attributes = {each["key"]: each["value"] for each in trial["user_attrs"]}
        assert trial["state"].upper() == known.state.name
        assert attributes["run"] == known.user_attrs["run"]
        assert float(attributes["last_error_percent"]) == known.user_attrs["last_error_percent"]
        assert trial["constraints"] == []


def test_the_note_on_constraints_is_true_of_the_installed_dashboard(dashboard: Dashboard) -> None:
    (foreign,) = [s for s in dashboard.json("/api/studies")["study_summaries"] if s["study_name"] == "foreign"]
    (trial,) = dashboard.json(f"/api/studies/{foreign['study_id']}?after=0")["trials"]
    assert trial["constraints"] == []  # though one is exceeded
    assert "shows every trial as feasible" in dashboard.said[1]


def test_other_names_and_origins_get_403_and_a_tunnel_does_not(dashboard: Dashboard) -> None:
    assert dashboard.ask("/api/studies", Host="localhost:9999")[0] == 200
    for host in ("evil.com", "10.evil.com:80", "localhost.evil.com"):
        assert dashboard.ask("/api/studies", Host=host)[0] == 403
    for origin in ("http://evil.com", "null"):
        assert dashboard.ask("/api/studies/1", "DELETE", Origin=origin)[0] == 403
    assert dashboard.json("/api/studies")["study_summaries"]


def test_a_taken_port_and_an_unknown_study_are_refused(dashboard: Dashboard, workspace: Workspace) -> None:
    port = str(dashboard.port)
    said = refused(workspace, "dashboard", "--port", port)
    assert said.startswith(f"cannot serve on 127.0.0.1:{port}: ") and said.endswith("; choose another with --port")
    assert "unknown study 'studi': did you mean 'study'?" in refused(workspace, "dashboard", "studi")


def test_without_a_storage_or_the_extra_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = Workspace(tmp_path)
    assert "no study yet" in refused(empty, "dashboard")
    assert not empty.studies.exists()
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert refused(empty, "dashboard") == "optuna-dashboard is not installed: pip install '.[dashboard]'"


def test_ctrl_c_ends_it(workspace: Workspace) -> None:
    started = Dashboard(workspace)
    assert started.said[0].startswith(f"optuna-dashboard: http://127.0.0.1:{started.port}/dashboard (")
    started.process.send_signal(signal.SIGINT)
    assert started.process.wait(LONGEST_SECONDS) == 130


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_it_ends_with_its_parent(workspace: Workspace) -> None:
    command = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'pipeline.verbs.app', *sys.argv[1:]])"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    parent = subprocess.Popen(
        [sys.executable, "-c", command, "dashboard", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as output:
        assert str(port) in output.readline()
        output.readline()
    children = psutil.Process(parent.pid).children()
    wait_until(lambda: bool(children))
    parent.kill()
    parent.wait()
    wait_until_ended(children)
