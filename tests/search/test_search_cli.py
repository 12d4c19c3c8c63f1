"""`convstudy search` and its kin as a user types them, with real trainings on real images."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import make_study
from postgres import CANARY, binaries, server, with_user

from pipeline.cli import app
from pipeline.errors import UsageError
from pipeline.evidence.store import RunStore
from pipeline.evidence.tracking_store import open_store
from pipeline.workspace import Workspace

SMALL = ("--train-images", "512", "--epochs", "2", "--max-macs", "1M")


def convstudy(place: Workspace, *arguments: str, code: int = 0, **environment: str) -> str:
    """Run a verb; returns its output, errors included."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        env={**os.environ, "CONVSTUDY_HOME": str(place.root), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "--debug" in arguments or "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def refused(place: Workspace, *arguments: str) -> str:
    """What a verb that is refused says; called within this process, which has PyTorch loaded."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CONVSTUDY_HOME", str(place.root))
        with pytest.raises(UsageError) as raised:
            app(list(arguments), standalone_mode=False)
    return str(raised.value)


@pytest.fixture(scope="module")
def searched(prepared_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Any]]:
    """A search of eight networks; tests read it, and add studies of their own beside it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        place = make_study(tmp_path_factory.mktemp("searched") / "study", prepared_fashion_mnist, monkeypatch)
        output = place.root / "search.json"
        told = convstudy(place, "search", "lenet", "--trials", "8", *SMALL, "--study", "first", "--json", str(output))
        assert "[first]" in told and "Optuna" not in told and "Warning" not in told, told
        yield place, json.loads(output.read_text())


def test_a_search_tells_what_the_contract_promises(searched: tuple[Workspace, Any]) -> None:
    _, record = searched
    assert {
        "study", "state", "space", "data", "objectives", "limits", "budget", "seed", "sampler", "counted", "refused",
        "duplicates", "trials", "front", "hypervolume", "compute",
    } <= set(record)  # fmt: skip
    assert (record["state"], record["counted"], record["space"]) == ("complete", 8, ["lenet"])
    assert record["objectives"] == ["error", "macs"] and record["limits"] == {"macs": 1_000_000}
    assert len(record["trials"]) == len(record["hypervolume"]) == 8
    assert record["hypervolume"] == sorted(record["hypervolume"]) and 0 < record["hypervolume"][-1] < 1
    for trial in record["trials"]:
        assert {
            "number", "state", "config", "params", "macs", "activations", "validation_error_percent", "rungs",
            "attempts", "reason", "train_images_seen",
        } <= set(trial)  # fmt: skip
        assert trial["macs"] <= 1_000_000 and trial["attempts"] == 1
        assert trial["train_images_seen"] == 512 * trial["rungs"][-1]["epochs"]
    assert record["compute"]["train_images_seen"] == sum(t["train_images_seen"] for t in record["trials"])
    complete = [trial for trial in record["trials"] if trial["state"] == "complete"]
    assert 1 <= len(complete) < 8
    for number in record["front"]:
        (member,) = [trial for trial in complete if trial["number"] == number]
        assert not any(
            t["macs"] <= member["macs"] and t["validation_error_percent"] < member["validation_error_percent"]
            for t in complete
        )


def test_the_same_search_again_trains_nothing_and_more_trials_only_the_new(searched: tuple[Workspace, Any]) -> None:
    place, record = searched
    again = json.loads(
        convstudy(place, "search", "lenet", "--trials", "8", *SMALL, "--study", "first", "--json", "-", "--quiet")
    )
    assert again == record
    status = json.loads(convstudy(place, "status", "first", "--json", "-"))
    assert status == record
    runs = len(list(RunStore(place.runs)))
    more = json.loads(
        convstudy(place, "search", "lenet", "--trials", "10", *SMALL, "--study", "more", "--json", "-", "--quiet")
    )
    assert more["counted"] == 10
    first, second = ({t["number"]: t["config"] for t in r["trials"]} for r in (record, more))
    assert [first[n] for n in (0, 1)] == [second[n] for n in (0, 1)]
    assert len(list(RunStore(place.runs))) < runs + 10  # what both studies draw is trained once


def test_other_settings_are_refused_with_what_differs(searched: tuple[Workspace, Any]) -> None:
    place, _ = searched
    told = refused(place, "search", "lenet", "--trials", "9", *SMALL[:4], "--max-macs", "2M", "--study", "first")
    assert "limits.macs: 1000000 in the study, 2000000 now" in told


def test_a_limit_that_nothing_meets_is_refused_before_any_training(searched: tuple[Workspace, Any]) -> None:
    place, _ = searched
    told = refused(place, "search", "lenet", "--trials", "3", "--max-params", "1k", "--study", "never")
    assert "(params 1k); the cheapest has macs" in told
    assert "never" not in convstudy(place, "studies")
    told = refused(place, "search", "lenet", "--trials", "3", "--max-latency", "0.001ms", "--study", "never")
    assert "latency_seconds 0.001 ms" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("resnex",), "did you mean 'resnext'"),
        (("lenet", "--objectives", "error,mac"), "did you mean 'macs'"),
        (("lenet", "--objectives", "macs"), "must name error"),
        (("lenet", "--max-macs", "40X"), "--max-macs (=40X) must be a number"),
        (("lenet", "--max-latency", "5"), "must be a time with its unit"),
        (("lenet", "--sampler", "best"), "unknown sampler 'best'"),
        (("lenet", "--fidelity", "low"), "unknown fidelity 'low'"),
        (("lenet", "--trials", "3", "--hours", "1"), "give one of --trials and --hours"),
        (("lenet", "--warm-start", "nothing"), "unknown study 'nothing'"),
    ],
)
def test_impossible_requests_are_refused_in_one_line(
    searched: tuple[Workspace, Any], arguments: tuple[str, ...], told: str
) -> None:
    place, _ = searched
    assert told in refused(place, "search", *arguments)


def test_mlflow_shows_a_study_its_trials_and_the_fronts_weights(searched: tuple[Workspace, Any]) -> None:
    place, record = searched
    store = open_store(place.mlflow)
    runs = list(store.runs(store.experiment("search")))
    (parent,) = [
        run
        for run in runs
        if run.data.tags.get("convstudy.parent") == "first" and "mlflow.parentRunId" not in run.data.tags
    ]
    assert parent.info.status == "FINISHED" and parent.data.metrics["counted"] == 8
    assert [item.path for item in store.client.list_artifacts(parent.info.run_id)] == ["study.json"]
    children = {
        run.data.tags["convstudy.run"]: run
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    assert set(children) == {trial["run"] for trial in record["trials"]}
    for trial in record["trials"]:
        child = children[trial["run"]]
        result = RunStore(place.runs).folder(trial["run"]).result()  # another study may have trained it further
        assert result is not None and child.data.tags["convstudy.state"] == result.state
        assert child.info.status == "FINISHED"
        weights = [item.path for item in store.client.list_artifacts(child.info.run_id)]
        assert (weights == ["weights.safetensors"]) == (trial["number"] in record["front"])


def test_mlflow_is_rebuilt_with_the_studies_of_the_storage(searched: tuple[Workspace, Any]) -> None:
    place, record = searched

    def parent() -> Any:
        store = open_store(place.mlflow)
        (found,) = [
            run
            for run in store.runs(store.experiment("search"))
            if run.data.tags.get("convstudy.parent") == "first" and "mlflow.parentRunId" not in run.data.tags
        ]
        return found.info.status, found.data.metrics

    before = parent()
    shutil.rmtree(place.mlflow)
    convstudy(place, "replay")
    assert parent() == before and before[1]["hypervolume"] == record["hypervolume"][-1]


def test_finalists_are_retrained_tested_once_and_compared(searched: tuple[Workspace, Any]) -> None:
    place, record = searched
    output = place.root / "finalists.json"
    told = convstudy(
        place, "finalists", "first", "--seeds", "2", "--members", "1", "--random-networks", "2", "--json", str(output)
    )
    found = json.loads(output.read_text())
    assert "finalist" in told
    (member,) = found["members"]
    assert member["trial"] in record["front"] and member["test_error_percent"]["n"] == 2
    assert {item["against"] for item in found["comparisons"]} == {"reference", "random networks", "random search"}
    assert all(item["verdict"] in ("better", "worse", "undecided") for item in found["comparisons"])
    store = RunStore(place.runs)
    for trial in record["trials"]:
        assert store.folder(trial["run"]).test_score() is None  # the search never saw a test image
    for run in member["runs"]:
        assert store.folder(run).test_score() is not None
    listed = json.loads(convstudy(place, "studies", "--json", "-"))
    assert {"first", "first-random"} <= {row["study"] for row in listed}


def test_a_search_can_learn_from_another(searched: tuple[Workspace, Any]) -> None:
    place, _ = searched
    warm = json.loads(
        convstudy(
            place, "search", "lenet", "--trials", "2", *SMALL, "--warm-start", "first", "--study", "warm", "--json",
            "-", "--quiet", "--seed", "5",
        )
    )  # fmt: skip
    assert warm["counted"] == 2


def test_latency_can_be_limited_and_minimised(searched: tuple[Workspace, Any]) -> None:
    place, _ = searched
    found = json.loads(
        convstudy(
            place, "search", "lenet", "--trials", "3", *SMALL, "--max-latency", "100ms", "--max-train-memory", "200M",
            "--objectives", "error,latency", "--study", "quick", "--json", "-", "--quiet",
        )
    )  # fmt: skip
    assert all(0 < trial["latency_seconds"] <= 0.1 for trial in found["trials"])
    assert all(0 < trial["train_memory_bytes"] <= 200e6 for trial in found["trials"])
    assert found["objectives"] == ["error", "latency"]


def test_a_dry_run_trains_nothing(searched: tuple[Workspace, Any]) -> None:
    place, _ = searched
    runs = len(list(RunStore(place.runs)))
    told = convstudy(place, "search", "lenet", "--trials", "5", *SMALL, "--study", "dry", "--dry-run")
    assert "18,432 networks" in told and "hours" in told and "MiB" in told
    assert len(list(RunStore(place.runs))) == runs and "dry" not in convstudy(place, "studies")


def status_of(place: Workspace, name: str) -> Any:
    return json.loads(convstudy(place, "status", name, "--json", "-"))


def training(place: Workspace) -> bool:
    """Whether some run has told how far it is."""
    return any(place.runs.glob("*/progress.json"))


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.05)


def processes_of(place: Workspace) -> list[psutil.Process]:
    """Processes that work in a workspace."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CONVSTUDY_HOME") == str(place.root):
                found.append(process)
        except psutil.Error:
            continue
    return found


def started(place: Workspace, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        env={**os.environ, "CONVSTUDY_HOME": str(place.root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("workers", "trials", "kills"),
    [("2", 8, 2), *(pytest.param(workers, 40, 6, marks=pytest.mark.soak) for workers in ("1", "2", "4"))],
)
def test_a_search_killed_at_random_counts_exactly_its_budget(
    study: Workspace, workers: str, trials: int, kills: int
) -> None:
    """Driver and workers are killed again and again; every trial ends once, nothing is left RUNNING."""
    chance = random.Random(int(workers))
    command = ("search", "lenet", "--trials", f"{trials}", *SMALL, "--study", "chaos", "--workers", workers, "--quiet")
    counted = [0]
    for _ in range(kills):
        process = started(study, *command, "--retries", "9")
        wait_until(lambda: training(study))
        time.sleep(chance.random())
        for worker in [w for child in psutil.Process(process.pid).children() for w in child.children()][:1]:
            worker.kill()
        time.sleep(chance.random())
        process.kill()
        process.communicate()
        counted.append(status_of(study, "chaos")["counted"])
    record = json.loads(convstudy(study, *command, "--json", "-"))
    assert counted == sorted(counted)
    assert (record["state"], record["counted"]) == ("complete", trials)
    assert sorted(trial["number"] for trial in record["trials"]) == list(range(trials))
    assert len({json.dumps(trial["config"]) for trial in record["trials"]}) == trials
    assert all(trial["state"] in ("complete", "stopped") for trial in record["trials"])
    begun_again = sum(trial["attempts"] - 1 for trial in record["trials"])
    assert begun_again <= kills * (int(workers) + 1)  # those in flight, and one more by a worker's death
    assert not processes_of(study)


ZOMBIE = """
import sys
from pipeline.data.manifest import load_manifest
from pipeline.evidence.study_records import Budget
from pipeline.process import prepare_workers
from pipeline.search.search_plans import plan_search
from pipeline.search.searches import search
from pipeline.training.recipe import Recipe
from pipeline.workspace import workspace

prepare_workers()
place = workspace()
manifest = load_manifest(place.prepared_data / "fashion-mnist")
recipe = Recipe(epochs=2, batch_size=64, train_images=19200, validation_images=500, train_loss_images=500)
plan = plan_search(["lenet"], recipe, manifest, "cpu", sampler="random")
search(place, manifest, plan, Budget(trials=int(sys.argv[1])), name="zombie", workers=2, stall_seconds=8.0)
"""


@pytest.mark.parametrize(("trials", "stops"), [(3, 1), pytest.param(40, 6, marks=pytest.mark.soak)])
def test_a_worker_stopped_past_its_deadline_is_replaced_and_counts_for_nothing(
    study: Workspace, trials: int, stops: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ZOMBIE, f"{trials}"],
        env={**os.environ, "CONVSTUDY_HOME": str(study.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stopped: list[psutil.Process] = []
    while process.poll() is None and len(stopped) < stops:
        time.sleep(0.1)
        workers = [w for child in psutil.Process(process.pid).children() for w in child.children()]
        both_train = len(list(study.runs.glob("*/progress.json"))) == 2
        if workers and both_train and not any(worker.is_running() for worker in stopped):
            workers[0].suspend()
            stopped.append(workers[0])
    time.sleep(10.0)  # past the deadline: the others have gone on
    for worker in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.resume()
    told, _ = process.communicate()
    assert process.returncode == 0 and len(stopped) == stops, told
    assert told.count("worker hung") >= 1
    record = status_of(study, "zombie")
    assert (record["state"], record["counted"]) == ("complete", trials)
    assert sorted(trial["number"] for trial in record["trials"]) == list(range(trials))
    assert sum(trial["attempts"] - 1 for trial in record["trials"]) >= 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_search_ends_soon_and_continues(study: Workspace, number: signal.Signals, code: int) -> None:
    command = ("search", "lenet", "--trials", "6", *SMALL, "--study", "cut")
    process = started(study, *command)
    wait_until(lambda: training(study))
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == code, errors.decode()
    assert time.monotonic() - began < 10
    assert not processes_of(study)
    status = status_of(study, "cut")
    assert status["state"] == "interrupted" and status["counted"] < 6
    assert json.loads(convstudy(study, *command, "--json", "-", "--quiet"))["counted"] == 6


@pytest.mark.skipif(binaries() is None, reason="PostgreSQL is not installed")
def test_a_password_in_a_storage_url_appears_nowhere(study: Workspace, tmp_path: Path) -> None:
    with server(tmp_path / "server") as address:
        url = with_user(address)
        process = started(study, "search", "lenet", "--trials", "4", *SMALL, "--study", "secret", "--storage", url)
        seen = []
        while process.poll() is None:
            for child in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                try:
                    seen.append(" ".join(child.cmdline()))
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.2)
        errors = process.communicate()[1].decode()
        assert process.returncode == 0, errors
        assert CANARY not in errors
        late = [line for line in seen[20:] if CANARY in line]  # until the verb has begun its name stands as typed
        assert not late
        told = convstudy(study, "status", "secret", CONVSTUDY_STORAGE=url)
        assert "study secret: complete, 4 counted" in told and CANARY not in told
        told = convstudy(
            study, "status", "secret", "--debug", "--storage", url.replace(CANARY, f"{CANARY}-wrong"), code=4
        )
        assert CANARY not in told
    for path in study.root.rglob("*"):
        if path.is_file() and "prepared" not in path.parts:
            assert CANARY.encode() not in path.read_bytes(), path
