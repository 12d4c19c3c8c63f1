import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import wait_until
from tracking_runs import (
    EPOCHS,
    HISTORY,
    NOLOAD,
    PARENT,
    SEED_0,
    empty_store,
    end,
    epoch,
    fill,
    mirror_live,
    network_record,
    query,
    record_of,
    refuse,
    register,
    show_network,
    shown,
    statuses,
)

import search_spaces
from pipeline.cost.records import CostProfile
from pipeline.evidence.store import RunStore
from pipeline.schema import to_json
from pipeline.tracking.client import MlflowStore
from pipeline.tracking.content import Ending, Point
from pipeline.tracking.mirror import Mirror, code_commit
from pipeline.tracking.summaries import Summary, network_summary

pytestmark = pytest.mark.filterwarnings(NOLOAD)


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return empty_store(tmp_path / "mlruns")


@pytest.fixture
def mirror(folder: Path) -> Iterator[Mirror]:
    with Mirror.open(folder, refuse, commit="c" * 40) as opened:
        yield opened


def test_a_growing_history_is_logged_epoch_by_epoch_and_once(mirror: Mirror, runs: RunStore, folder: Path) -> None:
    run, header = register(runs)
    mirror.started(header)
    for length in (1, 2, 2, 5, EPOCHS):
        mirror.epochs(header, HISTORY[:length])
        live = shown(folder)[SEED_0]
        assert live["status"] == "RUNNING"
        assert live["last"]["train_loss"] == HISTORY[length - 1].train_loss
    mirror.finished(end(run))

    final = shown(folder)[SEED_0]
    assert final["status"] == "FINISHED"
    assert [row for row in final["points"] if row[0] == "validation_error_percent"] == [
        ("validation_error_percent", item.epoch, item.validation_error_percent) for item in HISTORY
    ]
    assert [step for key, step, _ in final["points"] if key == "images_per_second"] == list(range(1, EPOCHS + 1))
    assert final["last"]["test_error_percent"] == 8.5
    assert final["last"]["train_seconds"] == 50.0
    assert final["params"]["config.stages.width"] == "[64,128]"
    assert final["params"]["recipe.batch_size"] == "128"
    assert final["params"]["seed"] == "0"
    assert final["tags"]["convstudy.run"] == header.run
    assert final["tags"]["mlflow.source.git.commit"] == "c" * 40
    assert final["data"] == [("fashion-mnist", "f" * 36)]
    assert final["parent"] == [("resnet18",)]


def test_an_experiment_per_stage_holds_a_parent_per_network_and_a_child_per_membership(
    mirror: Mirror, runs: RunStore, folder: Path
) -> None:
    register(runs)
    run, header = register(runs, experiment="depth")
    register(runs, seed=1, parent="plain18")
    mirror.started(header)
    mirror.finished(end(run))
    assert set(shown(folder)) == {
        PARENT,
        SEED_0,
        ("depth", "resnet18", "resnet18"),
        ("depth", "resnet18", "resnet18, seed 0"),
    }
    names = query(folder, "SELECT name FROM experiments WHERE experiment_id != 0 ORDER BY name")
    assert names == [("convstudy/depth",), ("convstudy/networks",)]


def test_statuses_are_truthful_for_children_and_parents(runs: RunStore, folder: Path) -> None:
    with Mirror.open(folder, refuse) as mirror:
        for seed, parent in enumerate(("good", "bad", "stopped", "abandoned")):
            run, header = register(runs, seed, parent)
            mirror.started(header)
            if parent == "good":
                mirror.finished(end(run))
            elif parent == "bad":
                mirror.finished(end(run, HISTORY[:3], reason="loss is nan at step 70"))
            elif parent == "stopped":
                mirror.interrupted(header)
        run, header = register(runs, 9, "good", role="learning-rate")
        mirror.started(header)
        mirror.finished(end(run, HISTORY[:1], reason="loss is inf at step 7"))
        show_network(mirror, network_record("good"))
        assert statuses(folder)["good"] == "FINISHED", "a diverged learning rate is no failure of its network"
        assert statuses(folder)["abandoned"] == "RUNNING"
    assert statuses(folder) == {
        "good": "FINISHED",
        "good, seed 0": "FINISHED",
        "good, learning rate 0.1, seed 9": "FAILED",
        "bad": "FAILED",
        "bad, seed 1": "FAILED",
        "stopped": "KILLED",
        "stopped, seed 2": "KILLED",
        "abandoned": "KILLED",
        "abandoned, seed 3": "KILLED",
    }
    assert shown(folder)["run", "bad", "bad, seed 1"]["tags"]["convstudy.reason"] == "loss is nan at step 70"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(1), RuntimeError("a bug")])
def test_runs_end_killed_when_the_driver_fails(failure: BaseException, runs: RunStore, folder: Path) -> None:
    _, header = register(runs)
    with pytest.raises(type(failure)), Mirror.open(folder, refuse) as mirror:
        mirror.started(header)
        raise failure
    assert set(statuses(folder).values()) == {"KILLED"}


@pytest.mark.parametrize("calls", range(1, 5))
def test_an_interrupt_while_runs_are_created_leaves_none_running(
    calls: int, runs: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C just after the n-th new run of MLflow: parent and child of the first run, then those of the second."""
    create, left = MlflowStore.create, [calls]

    def create_and_be_interrupted(*arguments: Any) -> Any:
        created = create(*arguments)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return created

    monkeypatch.setattr(MlflowStore, "create", create_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt), Mirror.open(folder, refuse) as mirror:
        for parent in ("resnet18", "resnet34"):
            mirror.started(register(runs, parent=parent, config={"name": parent})[1])
    found = statuses(folder)
    assert len(found) == calls and set(found.values()) == {"KILLED"}


def test_a_passing_failure_is_told_until_the_run_succeeds(runs: RunStore, folder: Path) -> None:
    run, header = register(runs)
    with Mirror.open(folder, refuse) as mirror:
        mirror.started(header)
        mirror.failed(header, "out_of_memory")
    failed = shown(folder)[SEED_0]
    assert (failed["status"], failed["tags"]["convstudy.reason"]) == ("FAILED", "out_of_memory")
    assert statuses(folder)["resnet18"] == "FAILED"
    with Mirror.open(folder, refuse) as mirror:
        mirror.started(header)
        assert set(statuses(folder).values()) == {"RUNNING"}
        mirror.finished(end(run))
    assert set(statuses(folder).values()) == {"FINISHED"}
    assert "convstudy.reason" not in shown(folder)[SEED_0]["tags"]


def test_a_header_that_gains_a_member_after_its_run_ended_is_shown_there_too(
    mirror: Mirror, runs: RunStore, folder: Path
) -> None:
    run, header = register(runs)
    mirror.started(header)
    mirror.finished(end(run))
    register(runs, experiment="depth")
    mirror.finished(run)
    child = shown(folder)["depth", "resnet18", "resnet18, seed 0"]
    assert child["status"] == "FINISHED" and child["last"]["epoch"] == EPOCHS
    assert "mlflow.source.git.commit" not in child["tags"], "the commit that trained it is not known any more"


def test_a_later_record_updates_a_network_and_its_figures(runs: RunStore, folder: Path, tmp_path: Path) -> None:
    figure = tmp_path / "curves.png"
    figure.write_bytes(b"png")
    run, _ = register(runs)
    with Mirror.open(folder, refuse) as mirror:
        mirror.finished(end(run))
        show_network(mirror, network_record(seeds=3), [figure])
        show_network(mirror, network_record(seeds=5), [figure])
    parent = shown(folder)[PARENT]
    assert parent["last"]["test_error_percent_n"] == 5
    assert parent["last"]["params"] == 11_000_000
    assert parent["tags"]["convstudy.flags"] == "at chance level"
    assert [path.read_bytes() for path in folder.rglob("figures/curves.png")] == [b"png"]


def course(*values: float) -> Summary:
    return Summary({}, {}, series=tuple(Point("hypervolume", value, step) for step, value in enumerate(values, 1)))


def test_the_course_of_a_study_is_logged_once_as_it_grows(mirror: Mirror, runs: RunStore, folder: Path) -> None:
    def logged() -> list[tuple[str, int, float]]:
        points: list[tuple[str, int, float]] = shown(folder)["search", "study", "study"]["points"]
        return points

    for values in ((0.1,), (0.1, 0.2), (0.1, 0.2), (0.1, 0.2, 0.4)):
        mirror.parent("search", "study", course(*values))
        assert logged() == [("hypervolume", step, value) for step, value in enumerate(values, 1)]
    mirror.finished(end(register(runs, parent="study", experiment="search")[0]))
    mirror.parent("search", "study", course(0.3, 0.5))  # begun anew
    assert logged() == [("hypervolume", 1, 0.3), ("hypervolume", 2, 0.5)]
    assert shown(folder)["search", "study", "study, seed 0"]["parent"] == [("study",)]


def test_costs_of_a_networks_profile_are_metrics_of_its_trainings(mirror: Mirror, runs: RunStore, folder: Path) -> None:
    run, header = register(runs)
    costs = CostProfile(
        "cost/1", "resnet18", "resnet", {}, 28, 1, 10, 1, 1, 1, 1, {}, 1, 1, (),
        latency_seconds={"1": 0.002, "128": 0.1}, train_memory_bytes=5_000_000,
    )  # fmt: skip
    mirror.finished(end(run))
    summary = network_summary(network_record(runs=[header.run]), "fashion-mnist", (), "quick", costs)
    for _ in range(2):
        mirror.parent("run", "resnet18", summary)
    for key in (PARENT, SEED_0):
        names = ("latency_seconds", "train_memory_bytes")
        assert [point for point in shown(folder)[key]["points"] if point[0] in names] == [
            ("latency_seconds", 0, 0.002),
            ("train_memory_bytes", 0, 5_000_000),
        ]
    assert shown(folder)[PARENT]["tags"]["profile"] == "quick"


def test_costs_of_a_network_are_metrics_as_soon_as_it_trains(mirror: Mirror, runs: RunStore, folder: Path) -> None:
    reference = search_spaces.reference("resnet-small")[1]
    run, header = register(runs, config=to_json(reference.config))
    mirror.started(header)
    live = shown(folder)[SEED_0]
    assert live["last"] == {
        "params": reference.params,
        "macs": reference.macs,
        "activations": live["last"]["activations"],
        "base_learning_rate": 0.1,
    }
    assert (live["tags"]["family"], live["tags"]["data"]) == ("resnet", "fashion-mnist")
    mirror.finished(end(run))
    final = [point for point in shown(folder)[SEED_0]["points"] if point[0] in live["last"]]
    assert final == live["points"], "and not logged again"


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_system_metrics_are_recorded_on_demand_until_a_run_ends(
    wanted: str, runs: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", wanted)
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    run, header = register(runs)
    with Mirror.open(folder, refuse) as mirror:
        mirror.started(header)
        if wanted == "true":
            wait_until(lambda: "system/cpu_utilization_percentage" in shown(folder)[SEED_0]["last"])
        mirror.finished(end(run))
        assert not any(thread.name == "SystemMetricsMonitor" for thread in threading.enumerate())
    found = {key for key in shown(folder)[SEED_0]["last"] if key.startswith("system/")}
    assert bool(found) == (wanted == "true")


def test_values_that_are_not_finite_are_named_in_a_tag_and_never_stored(
    mirror: Mirror, runs: RunStore, folder: Path
) -> None:
    _, header = register(runs)
    history = [epoch(1), epoch(2, train_loss=math.nan), epoch(3, validation_loss=math.inf, gradient_norm=-math.inf)]
    mirror.started(header)
    mirror.epochs(header, history[:2])
    mirror.epochs(header, history)
    live = shown(folder)[SEED_0]
    assert all(math.isfinite(value) and abs(value) < 1e300 for _, _, value in live["points"])
    assert not query(folder, "SELECT * FROM metrics WHERE is_nan")
    assert live["tags"]["convstudy.not_logged"] == (
        "train_loss is nan at epoch 2; validation_loss is inf at epoch 3; gradient_norm is -inf at epoch 3"
    )
    assert live["last"]["epoch"] == 3


def test_importing_the_tracking_modules_does_not_import_mlflow() -> None:
    command = (
        "import sys; import pipeline.tracking.mirror, pipeline.tracking.replay, "
        "pipeline.tracking.ui; sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


def test_opening_the_store_changes_one_environment_variable(tmp_path: Path) -> None:
    before = dict(os.environ)
    Mirror.open(tmp_path / "mlruns", refuse).close()
    changed = {key: value for key, value in os.environ.items() if before.get(key) != value}
    assert set(changed) <= {"MLFLOW_DISABLE_TELEMETRY"}
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_code_commit_is_that_of_the_repository_or_none(tmp_path: Path) -> None:
    code, unpacked = tmp_path / "pipeline", tmp_path / "unpacked"
    for folder in (code, unpacked):
        folder.mkdir()
        (folder / "module.py").write_text("x = 1")
    assert code_commit(code) is None
    for command in (
        ["init", "-q"],
        ["add", "pipeline"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    commit = code_commit(code)
    assert commit is not None and len(commit) == 40
    assert code_commit(unpacked) is None  # it lies in a repository and is not of it
    (code / "module.py").write_text("x = 2")
    assert code_commit(code) == f"{commit}+changed"


def test_asking_for_the_commit_writes_nothing_into_the_repository(tmp_path: Path) -> None:
    code = tmp_path / "pipeline"
    code.mkdir()
    (code / "module.py").write_text("x = 1")
    named = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "pipeline"], [*named, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    os.utime(code / "module.py", (1, 1))  # git would note in its index that the file is the same
    index = (tmp_path / ".git" / "index").read_bytes()
    assert code_commit(code) is not None
    assert (tmp_path / ".git" / "index").read_bytes() == index


def test_runs_that_were_finished_before_leave_their_networks_as_they_are(runs: RunStore, folder: Path) -> None:
    fill(runs)
    mirror_live(runs, folder)
    before = query(folder, "SELECT * FROM runs")
    with Mirror.open(folder, refuse) as mirror:
        for run in runs:
            mirror.finished(run)
        show_network(mirror, record_of(runs))
        assert query(folder, "SELECT * FROM runs") == before
    assert query(folder, "SELECT * FROM runs") == before


def test_no_run_ends_before_it_began() -> None:
    """A run is shown when its first step is seen, and its end is known to the second; clocks may go back."""
    ending = Ending("FINISHED", (), (), {}, start_ms=10_000, end_ms=14_000)
    assert ending.end_after(10_500) == 14_000
    assert ending.end_after(14_700) == 18_700  # shown late: as long as it took
    assert ending.end_after(7_200_000) == 7_204_000
