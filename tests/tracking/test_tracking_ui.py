import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow_servers import free_port
from processes import LONGEST_SECONDS, wait_until, wait_until_ended

from pipeline.errors import StorageError, UsageError
from pipeline.evidence.records import Membership, Result, RunSpec
from pipeline.evidence.store import RunStore
from pipeline.tracking.replay import replay
from pipeline.tracking.ui import first_page, read_hosts, serve_ui, ui_command
from pipeline.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

SERVE = "import sys; from pathlib import Path; from pipeline.tracking.ui import serve_ui\n"
SERVE += "serve_ui(Path(sys.argv[1]), port=int(sys.argv[2]), hosts=('study.example.org', 'gpu1:80'), on_ready=print)"
SEARCH_EXPERIMENTS, SEARCH_RUNS = "/api/2.0/mlflow/experiments/search", "/api/2.0/mlflow/runs/search"


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_SECONDS)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answers(self) -> bool:
        assert self.process.poll() is None, "the server did not start"
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def started_in(root: Path) -> Server:
    port = free_port()
    command = [sys.executable, "-c", SERVE, str(root / "mlruns"), str(port)]
    return Server(port, subprocess.Popen(command, start_new_session=True))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server, started over a workspace without a store; a run is mirrored while it serves."""
    root = tmp_path_factory.mktemp("served")
    started = started_in(root)
    process = started.process
    try:
        wait_until(started.answers)
        runs = RunStore(root / "runs")
        spec = RunSpec("resnet", {"depth": 18}, 1, 10, 28, Recipe(epochs=1), "f" * 64, 0)
        folder = runs.register(spec, "resnet18", "fashion-mnist", Membership("<script>", "resnet18", "seed"))
        folder.write(Result("result/1", folder.run, "failed", "<script>alert(1)</script>", (), None))
        replay(runs, root / "mlruns", (), print)
        yield started
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def test_pages_and_runs_are_served_on_loopback(server: Server) -> None:
    status, page = server.ask("GET", "/")
    assert status == 200 and b"<html" in page.lower()
    status, answer = server.ask("POST", SEARCH_EXPERIMENTS, {"max_results": 10})
    experiments = {each["name"]: each["experiment_id"] for each in json.loads(answer)["experiments"]}
    assert "Default" not in experiments
    assert status == 200 and "convstudy/<script>" in experiments
    status, answer = server.ask("POST", SEARCH_RUNS, {"experiment_ids": [experiments["convstudy/<script>"]]})
    listed = {run["info"]["run_name"]: run["info"]["status"] for run in json.loads(answer)["runs"]}
    assert listed == {"resnet18": "FAILED", "resnet18, seed 0": "FAILED"}


@pytest.mark.parametrize(
    "host", ["evil.com", "10.evil.com", "127.0.0.1.evil.com", "192.168.0.1", "localhost.evil.com:1"]
)
def test_foreign_hosts_get_403(server: Server, host: str) -> None:
    for name in (host, f"{host.split(':')[0]}:{server.port}"):
        assert server.ask("GET", "/", Host=name)[0] == 403
        assert server.ask("POST", SEARCH_EXPERIMENTS, {"max_results": 10}, Host=name)[0] == 403


def test_loopback_names_and_hosts_that_were_named_are_accepted_as_behind_an_ssh_tunnel(server: Server) -> None:
    named = (f"study.example.org:{server.port}", "study.example.org", "gpu1:80")
    for own in (f"127.0.0.1:{server.port}", f"localhost:{server.port}", "localhost:8080", "127.0.0.1:1", *named):
        assert server.ask("POST", SEARCH_EXPERIMENTS, {"max_results": 1}, Host=own, Origin=f"http://{own}")[0] == 200


def test_other_ports_of_a_host_that_was_named_with_its_port_get_403(server: Server) -> None:
    for name in ("gpu1:81", "gpu1", "study.example.org:1", "x.study.example.org"):
        assert server.ask("GET", "/", Host=name)[0] == 403


@pytest.mark.parametrize("text", ["*", "10.*", "http://gpu1", "gpu1:port", "a b"])
def test_a_pattern_or_an_address_is_no_host(text: str) -> None:
    with pytest.raises(UsageError, match=r"--allowed-hosts: .* is not a host"):
        read_hosts(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_are_served_only_to_named_hosts(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="needs --allowed-hosts"):
        ui_command(tmp_path, host)
    command = ui_command(tmp_path, host, 5001, read_hosts("gpu1.example.org, 10.1.2.3:8080"))
    accepted = command[command.index("--allowed-hosts") + 1].split(",")
    assert accepted[4:] == ["gpu1.example.org", "gpu1.example.org:5001", "10.1.2.3:8080"]


def test_the_first_page_lists_the_latest_runs_and_experiments_of_earlier_versions_get_todays_names(
    tmp_path: Path,
) -> None:
    from mlflow import MlflowClient

    assert first_page(tmp_path) == "/#/experiments?workflowType=machine_learning"
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    former = client.create_experiment("convstudy/run")
    client.create_run(former, start_time=2)
    client.create_run(client.create_experiment("convstudy/search"), start_time=1)
    client.create_run(client.create_experiment("convstudy/report"), start_time=3)
    assert first_page(tmp_path).startswith(f"/#/experiments/{former}/runs?")
    found = {each.name: each for each in client.search_experiments()}
    assert set(found) == {"convstudy/networks", "convstudy/searches", "convstudy/reports"}
    assert found["convstudy/networks"].tags["mlflow.experimentKind"] == "custom_model_development"
    assert "convstudy reproduce" in found["convstudy/networks"].tags["mlflow.note.content"]
    client.set_experiment_tag(former, "mlflow.note.content", "my own words")
    first_page(tmp_path)
    assert client.get_experiment(former).tags["mlflow.note.content"] == "my own words"


def test_an_experiment_default_with_runs_of_the_user_stays(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    first_page(tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert client.get_experiment("0").lifecycle_stage == "deleted"
    client.restore_experiment("0")
    client.create_run("0")
    first_page(tmp_path)
    assert client.get_experiment("0").lifecycle_stage == "active"


@pytest.mark.parametrize("origin", ["http://evil.com", "https://10.evil.com", "null", "http://127.0.0.1.evil.com"])
def test_a_foreign_origin_cannot_post(server: Server, origin: str) -> None:
    assert server.ask("POST", SEARCH_EXPERIMENTS, {"max_results": 1}, Origin=origin)[0] == 403
    assert server.ask("POST", "/ajax-api/2.0/mlflow/experiments/create", {"name": "x"}, Origin=origin)[0] == 403


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_nothing_listens_beyond_loopback(server: Server) -> None:
    port = f"{server.port:04X}"
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if address.endswith(f":{port}") and state == "0A":
                listening.add(address)
    assert listening == {f"0100007F:{port}"}


def test_a_taken_port_is_said_in_one_line_and_no_address_before(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot serve on 127.0.0.1:{port}: .*; choose another with --port"):
            serve_ui(tmp_path, port=port, on_ready=lambda page: pytest.fail("its address was given out"))


@pytest.mark.parametrize("name", ["100%", "what?"])
def test_a_path_that_a_database_uri_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="'%' or '\\?'"):
        ui_command(tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_server_that_is_killed_leaves_nothing_running_and_its_port_free(tmp_path: Path) -> None:
    killed = started_in(tmp_path)
    family = psutil.Process(killed.process.pid)
    try:
        wait_until(killed.answers)
        children = family.children(recursive=True)
        assert children, "the web server is a child of the process that a user kills"
        killed.process.kill()
        killed.process.wait()
        wait_until_ended(children)
        wait_until(lambda: is_free(killed.port))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(killed.process.pid, signal.SIGKILL)
        killed.process.wait()
