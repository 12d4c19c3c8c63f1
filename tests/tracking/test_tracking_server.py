"""Live tracking on a server that MLFLOW_TRACKING_URI names: a real one, one that hangs, and none."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow_servers import free_port, hanging_server, mlflow_server
from tracking_runs import (
    EPOCHS,
    HISTORY,
    NOLOAD,
    empty_store,
    end,
    fill,
    group_record,
    mirror_live,
    record_of,
    refuse,
    register,
    show_network,
    weights_info_of,
)

import search_spaces
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.models.finished import build_network
from pipeline.models.mlflow_model import ImageClassifier
from pipeline.models.weights import save_weights
from pipeline.schema import to_json
from pipeline.tracking.content import KEY, PARENT_ID
from pipeline.tracking.mirror import Mirror
from pipeline.tracking.opening import open_mirror
from pipeline.tracking.replay import ReplaySummary, replay
from pipeline.tracking.server import ServerMirror
from pipeline.tracking.store import open_server, open_store

pytestmark = pytest.mark.filterwarnings(NOLOAD)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("server")) as uri:
        yield uri


@pytest.fixture
def in_force(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The server is the one to write to, under experiments of the test's own; gives what their names begin with."""
    prefix = request.node.name
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", prefix)
    return str(prefix)


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def content(uri: str | None, folder: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """All runs of convstudy on a server (None: in a workspace) by (experiment, name of the parent, name)."""
    store = open_store(folder) if uri is None else open_server(folder, uri)
    found = {run.info.run_id: run for each in store.experiments() for run in store.runs(each)}
    return {
        (
            run.data.tags["convstudy.experiment"],
            found[parent].info.run_name if (parent := run.data.tags.get(PARENT_ID)) else "",
            run.info.run_name,
        ): {
            "status": run.info.status,
            "key": run.data.tags[KEY],
            "params": run.data.params,
            "metrics": run.data.metrics,
            "tags": {key: text for key, text in run.data.tags.items() if key.startswith(("convstudy", "family"))},
            "steps": sorted(
                (point.step, point.value) for point in store.client.get_metric_history(run.info.run_id, "train_loss")
            ),
        }
        for run in found.values()
    }


def small_resnet(runs: RunStore) -> RunFolder:
    """A finished run of a network that can be built, with its weights as a training keeps them."""
    _, reference = search_spaces.reference("resnet-small")
    run, header = register(runs, config=to_json(reference.config))
    torch.manual_seed(1)
    save_weights(run.weights, build_network(header.spec).state_dict(), weights_info_of(header))
    return end(run)


FROM_PYTHON = """
import json, sys, mlflow, numpy as np
from pipeline.tracking.location import tracking_uri
mlflow.set_tracking_uri(tracking_uri())
table = mlflow.search_runs(experiment_names=[sys.argv[1]], filter_string="metrics.macs > 0 and tags.family = 'resnet'")
run = table[table["tags.convstudy.role"] == "seed"].iloc[0]
model = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model")
answers = model.predict(np.load(sys.argv[2]))
print(json.dumps({
    "run": {key: run[key] for key in ("status", "metrics.macs", "metrics.validation_error_percent", "tags.data")},
    "columns": list(answers.columns), "first": answers.iloc[0].to_dict(), "rows": len(answers),
    "input": model.metadata.signature.inputs.to_dict(), "example": model.input_example.shape,
    "pickled": [name for name in ("cloudpickle.loads",) if name in sys.modules],
}))
"""


@pytest.mark.parametrize("where", ["server", "workspace"])
def test_python_users_find_runs_and_load_models_in_a_fresh_process(
    where: str, request: pytest.FixtureRequest, tmp_path: Path, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = request.getfixturevalue("in_force") if where == "server" else "convstudy"
    monkeypatch.setenv("CONVSTUDY_HOME", str(tmp_path))
    run = small_resnet(runs)
    header = run.header()
    assert header is not None
    folder = empty_store(tmp_path / "mlruns")
    with open_mirror(folder, refuse) as mirror:
        mirror.started(header)
        mirror.epochs(header, HISTORY)
        mirror.finished(run)
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, "-c", FROM_PYTHON, f"{prefix}/networks", str(tmp_path / "images.npy")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    price = search_spaces.reference("resnet-small")[1]
    assert found["run"] == {
        "status": "FINISHED",
        "metrics.macs": price.macs,
        "metrics.validation_error_percent": HISTORY[-1].validation_error_percent,
        "tags.data": "fashion-mnist",
    }
    expected = ImageClassifier(run.weights).predict(images)
    assert found["columns"] == ["class", *(f"probability_{name}" for name in "abcdefghij")]
    assert found["rows"] == 3 and found["first"]["class"] == expected["class"][0]
    assert found["first"]["probability_a"] == pytest.approx(expected["probability_a"][0], abs=1e-6)
    assert found["input"] == [{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 28, 28, 1]}}]
    assert found["example"] == [1, 28, 28, 1] and found["pickled"] == []


def test_live_on_a_server_equals_live_in_the_workspace_and_a_replay(
    in_force: str, server: str, tmp_path: Path, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runs)
    with open_mirror(tmp_path / "mlruns", refuse) as mirror:
        assert isinstance(mirror, ServerMirror)
        write(mirror, runs)
    live = content(server, tmp_path)
    summary = replay(runs, tmp_path / "mlruns", [group_record(record_of(runs))], refuse)
    assert summary == ReplaySummary(0, 0, 6, 0, 0, 0, 0)
    assert content(server, tmp_path) == live
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    mirror_live(runs, empty_store(tmp_path / "local"))
    assert content(None, tmp_path / "local") == live


def test_a_replay_on_a_server_leaves_the_runs_of_others_alone(
    in_force: str, server: str, tmp_path: Path, runs: RunStore
) -> None:
    fill(runs)
    replay(runs, tmp_path, (), refuse)
    store = open_server(tmp_path, server)
    theirs = store.client.create_run(store.experiment("run"), tags={KEY: "0" * 32}, run_name="theirs")
    assert replay(runs, tmp_path, (), refuse) == ReplaySummary(0, 0, 6, 0, 0, 0, 0)
    assert store.client.get_run(theirs.info.run_id).info.status == "RUNNING"


def write(mirror: Mirror, runs: RunStore) -> None:
    """What a driver does."""
    for run in runs:
        header, result = run.header(), run.result()
        assert header is not None
        if result is not None:
            mirror.started(header)
            mirror.epochs(header, result.history[:1])
            mirror.finished(run)
    show_network(mirror, record_of(runs))


def test_a_server_that_hangs_delays_nothing_and_is_replayed_later(
    in_force: str, server: str, tmp_path: Path, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requests would wait for an hour."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3600")
    fill(runs)
    told: list[str] = []
    with hanging_server() as uri:
        mirror = ServerMirror(tmp_path, uri, told.append, None, close_seconds=0.1, queue_length=4)
        write(mirror, runs)
        mirror.close()
    (line,) = told
    assert uri in line and "convstudy replay" in line
    assert f"missed {3 * 4 + 2} updates" in line, "those of four runs, of their network, and the end"
    summary = replay(runs, tmp_path / "mlruns", [group_record(record_of(runs))], refuse)
    assert summary.created == 6
    rows = content(server, tmp_path)
    assert len([row for row in rows.values() if row["metrics"].get("epoch") == EPOCHS]) == 5


def test_an_absent_server_is_reported_and_stops_nothing(tmp_path: Path, runs: RunStore) -> None:
    fill(runs)
    told: list[str] = []
    uri = f"http://user:secret@127.0.0.1:{free_port()}"
    with ServerMirror(tmp_path, uri, told.append, None) as mirror:
        write(mirror, runs)
    assert "MLflow misses updates, trainings continue: cannot use the MLflow server" in told[0]
    assert "missed 14 updates" in told[-1] and len(told) == 2
    assert not any("secret" in line for line in told)


def test_a_run_is_complete_when_the_server_came_back_before_its_end(
    in_force: str, server: str, tmp_path: Path, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, header = register(runs)
    told: list[str] = []
    failing = [True]

    def open_sometimes(folder: Path, uri: str) -> Any:
        if failing.pop() if failing else False:
            raise ConnectionError("no route to host")
        return open_server(folder, uri)

    monkeypatch.setattr("pipeline.tracking.server.open_server", open_sometimes)
    with ServerMirror(tmp_path, server, told.append, None, retry_seconds=0) as mirror:
        mirror.started(header)
        mirror.epochs(header, HISTORY[:4])
        mirror.finished(end(run))
    assert "no route to host" in told[0] and "missed 1 updates" in told[-1]
    (row,) = [row for (_, parent, _), row in content(server, tmp_path).items() if parent]
    assert row["status"] == "FINISHED" and [step for step, _ in row["steps"]] == list(range(1, EPOCHS + 1))


def test_files_are_uploaded_although_they_are_gone_by_then(
    in_force: str, server: str, tmp_path: Path, runs: RunStore
) -> None:
    figure = tmp_path / "curves.png"
    figure.write_bytes(b"png")
    with open_mirror(tmp_path, refuse) as mirror:
        mirror.finished(end(register(runs)[0]))
        show_network(mirror, replace(record_of(runs), runs=()), [figure])
        figure.unlink()
    store = open_server(tmp_path, server)
    (parent,) = [run for run in store.runs(store.experiment("run")) if PARENT_ID not in run.data.tags]
    assert [file.path for file in store.client.list_artifacts(parent.info.run_id, "figures")] == ["figures/curves.png"]
