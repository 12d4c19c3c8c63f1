"""`convstudy search` and its kin as a user types them, with real trainings on real images."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import optuna
import pytest
from conftest import make_study
from verbs import SMALL, called, json_of, refused, typed

import search_spaces
from pipeline.errors import RunsFailedError, StorageError
from pipeline.evidence.store import RunStore
from pipeline.files import sha256_file
from pipeline.search.candidates import spec_of
from pipeline.search.gate import described
from pipeline.search.storage import storage_url
from pipeline.search.studies import Studies
from pipeline.tracking.store import open_store
from pipeline.workspace import Workspace


@pytest.fixture(scope="module")
def searched(prepared_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Any]]:
    """A search of eight networks; tests read it, and add studies of their own beside it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        workspace = make_study(tmp_path_factory.mktemp("searched") / "study", prepared_fashion_mnist, monkeypatch)
        output = workspace.root / "search.json"
        said = typed(workspace, "search", "lenet", "--trials", "8", *SMALL, "--study", "first", "--json", str(output))
        assert "[first]" in said and "Optuna" not in said and "Warning" not in said, said
        yield workspace, json.loads(output.read_text())


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


def test_optuna_gives_the_parameters_from_which_each_network_is_rebuilt(searched: tuple[Workspace, Any]) -> None:
    workspace, record = searched
    stored = optuna.load_study(study_name="first", storage=storage_url(workspace, None)).trials
    assert len(record["trials"]) == 8
    for trial in record["trials"]:
        design = search_spaces.design(stored[trial["number"]].params)
        assert described(design) == trial["config"]
        assert stored[trial["number"]].user_attrs["run"] == trial["run"]


def test_the_same_search_again_trains_nothing_and_more_trials_only_the_new(searched: tuple[Workspace, Any]) -> None:
    workspace, record = searched
    assert json_of(workspace, "search", "lenet", "--trials", "8", *SMALL, "--study", "first", "--quiet") == record
    assert json_of(workspace, "status", "first") == record
    runs = len(list(RunStore(workspace.runs)))
    more = json_of(workspace, "search", "lenet", "--trials", "10", *SMALL, "--study", "more", "--quiet")
    assert more["counted"] == 10
    first, second = ({t["number"]: t["config"] for t in r["trials"]} for r in (record, more))
    assert [first[n] for n in (0, 1)] == [second[n] for n in (0, 1)]
    assert len(list(RunStore(workspace.runs))) < runs + 10  # what both studies draw is trained once


def test_one_worker_and_one_seed_search_alike_wherever_they_do(
    prepared_fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for workspace in (make_study(tmp_path / part, prepared_fashion_mnist, monkeypatch) for part in ("a", "b")):
        record = json_of(
            workspace, "search", "lenet", "--trials", "4", *SMALL, "--seed", "0", "--workers", "1", "--quiet"
        )
        for trial in record["trials"]:
            assert trial.pop("train_seconds") > 0
        found.append({key: record[key] for key in ("study", "trials", "front", "hypervolume", "refused", "duplicates")})
    assert found[0] == found[1] and {trial["state"] for trial in found[0]["trials"]} == {"complete", "stopped"}


def test_other_settings_are_refused_with_what_differs(searched: tuple[Workspace, Any]) -> None:
    workspace, _ = searched
    said = refused(workspace, "search", "lenet", "--trials", "9", *SMALL[:4], "--max-macs", "2M", "--study", "first")
    assert "limits.macs: 1000000 in the study, 2000000 now" in said


def test_a_study_of_another_version_is_not_mixed_with_this_one(
    searched: tuple[Workspace, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _ = searched
    (then,) = [trial["run"] for trial in json_of(workspace, "status", "first")["trials"] if trial["number"] == 0]
    newer = Mock(side_effect=lambda plan, config: replace(spec_of(plan, config), protocol=99))
    monkeypatch.setattr("pipeline.search.searches.spec_of", newer)
    said = refused(workspace, "search", "lenet", "--trials", "9", *SMALL, "--study", "first")
    assert f"another version of convstudy (run {then} then" in said and "protocol 99 now" in said


def test_a_limit_that_nothing_meets_is_refused_before_any_training(searched: tuple[Workspace, Any]) -> None:
    workspace, _ = searched
    said = refused(workspace, "search", "lenet", "--trials", "3", "--max-params", "1k", "--study", "never")
    assert "(params 1,000); the cheapest has macs" in said
    assert "never" not in called(workspace, "studies")
    said = refused(workspace, "search", "lenet", "--trials", "3", "--max-latency", "0.001ms", "--study", "never")
    assert "latency_seconds 0.001 ms" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
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
    searched: tuple[Workspace, Any], arguments: tuple[str, ...], said: str
) -> None:
    workspace, _ = searched
    assert said in refused(workspace, "search", *arguments)


def test_mlflow_shows_a_study_its_course_its_trials_with_costs_and_the_fronts_models(
    searched: tuple[Workspace, Any],
) -> None:
    workspace, record = searched
    store = open_store(workspace.mlflow)
    runs = list(store.runs(store.experiment("search")))
    (parent,) = [
        run
        for run in runs
        if run.data.tags.get("convstudy.parent") == "first" and "mlflow.parentRunId" not in run.data.tags
    ]
    assert parent.info.status == "FINISHED" and parent.data.metrics["counted"] == 8
    shown = {item.path for item in store.client.list_artifacts(parent.info.run_id)}
    assert shown == {"study.json", "report.html", "figures"}
    pictures = [item.path for item in store.client.list_artifacts(parent.info.run_id, "figures")]
    assert pictures == ["figures/search-1-course.png", "figures/search-1-front.png"]
    course = store.client.get_metric_history(parent.info.run_id, "hypervolume")
    assert [(point.step, point.value) for point in course] == list(enumerate(record["hypervolume"], 1))
    lowest = min(trial["validation_error_percent"] for trial in record["trials"] if trial["state"] == "complete")
    assert parent.data.metrics["best_error_percent"] == lowest
    children = {
        run.data.tags["convstudy.run"]: run
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    assert set(children) == {trial["run"] for trial in record["trials"]}
    studies = [json_of(workspace, "status", row["study"]) for row in json_of(workspace, "studies")]
    fronts = {trial["run"] for study in studies for trial in study["trials"] if trial["number"] in study["front"]}
    for trial in record["trials"]:
        child = children[trial["run"]]
        result = RunStore(workspace.runs).folder(trial["run"]).result()  # another study may have trained it further
        assert result is not None and child.data.tags["convstudy.state"] == result.state
        assert child.info.status == "FINISHED"
        costs = {key: child.data.metrics[key] for key in ("params", "macs", "activations")}
        assert costs == {key: trial[key] for key in costs} and child.data.tags["family"] == "lenet"
        outputs = store.client.get_run(child.info.run_id).outputs
        assert bool(outputs and outputs.model_outputs) == (trial["run"] in fronts)


def test_a_front_has_its_weights_though_another_study_removed_them(searched: tuple[Workspace, Any]) -> None:
    workspace, _ = searched
    again = ("search", "lenet", *SMALL, "--seed", "7", "--sampler", "random", "--fidelity", "full", "--study")
    one = json_of(workspace, *again, "of-error", "--trials", "4", "--objectives", "error")
    store = RunStore(workspace.runs)
    (best,) = (trial for trial in one["trials"] if trial["number"] in one["front"])
    weights = store.folder(best["run"]).weights
    digest = sha256_file(weights)
    weights.unlink()
    json_of(workspace, *again, "of-error", "--trials", "4", "--objectives", "error")
    assert sha256_file(weights) == digest
    other = json_of(workspace, *again, "of-macs", "--trials", "4", "--objectives", "error,macs")
    assert best["run"] in {trial["run"] for trial in other["trials"]} and weights.exists()
    for trial in other["trials"]:
        assert trial["number"] not in other["front"] or store.folder(trial["run"]).weights.exists()


def test_mlflow_is_rebuilt_with_the_studies_of_the_storage(searched: tuple[Workspace, Any]) -> None:
    workspace, record = searched

    def parent() -> Any:
        store = open_store(workspace.mlflow)
        (found,) = [
            run
            for run in store.runs(store.experiment("search"))
            if run.data.tags.get("convstudy.parent") == "first" and "mlflow.parentRunId" not in run.data.tags
        ]
        return found.info.status, found.data.metrics

    before = parent()
    shutil.rmtree(workspace.mlflow)
    called(workspace, "replay")
    assert parent() == before and before[1]["hypervolume"] == record["hypervolume"][-1]


def test_a_workspace_that_only_searched_has_a_report(searched: tuple[Workspace, Any]) -> None:
    workspace, record = searched
    page = called(workspace, "report").strip().splitlines()[0]
    assert page == str(workspace.results / "report.html")
    text = (workspace.results / "REPORT.md").read_text()
    assert "## Search: lenet on fashion-mnist" in text and "8 networks were trained within the limits" in text
    best = min(trial["validation_error_percent"] for trial in record["trials"] if trial["state"] == "complete")
    assert f"| {best:.2f} |" in text


def test_finalists_are_retrained_tested_once_and_compared(searched: tuple[Workspace, Any]) -> None:
    workspace, record = searched
    found = json_of(workspace, "finalists", "first", "--seeds", "2", "--members", "1", "--random-networks", "2")
    (member,) = found["members"]
    assert member["trial"] in record["front"] and member["test_error_percent"]["n"] == 2
    assert {item["against"] for item in found["comparisons"]} == {"reference", "random networks", "random search"}
    assert all(item["verdict"] in ("better", "worse", "undecided") for item in found["comparisons"])
    store = RunStore(workspace.runs)
    for trial in record["trials"]:
        assert store.folder(trial["run"]).test_score() is None  # the search never saw a test image
    for run in member["runs"]:
        assert store.folder(run).test_score() is not None
    assert len([row for row in json_of(workspace, "studies") if row["study"].startswith("first-random-")]) == 1


def test_a_search_can_learn_from_another(searched: tuple[Workspace, Any], capsys: pytest.CaptureFixture[str]) -> None:
    workspace, _ = searched
    teacher = json_of(workspace, "search", "lenet", *SMALL, "--study", "teacher", "--trials", "4")
    learning = ("search", "lenet", *SMALL, "--warm-start", "teacher", "--study", "warm", "--seed", "5")
    assert json_of(workspace, *learning, "--trials", "2")["counted"] == 2
    complete = sum(trial["state"] == "complete" for trial in teacher["trials"])
    assert f"the sampler begins with {complete} of {complete} complete trials" in capsys.readouterr().err
    json_of(workspace, "search", "lenet", *SMALL, "--study", "teacher", "--trials", "5")
    assert json_of(workspace, *learning, "--trials", "3")["counted"] == 3  # it goes on with what it began with
    assert f"the sampler begins with {complete} of {complete} complete trials" in capsys.readouterr().err
    json_of(workspace, "search", "lenet", *SMALL, "--study", "teacher", "--trials", "3", "--seed", "9", "--fresh")
    for dry_run in ((), ("--dry-run",)):
        assert "teacher was started over after warm began" in refused(workspace, *learning, "--trials", "4", *dry_run)
    itself = ("--study", "teacher", "--warm-start", "teacher", "--trials", "4", "--fresh")
    assert "is the study itself" in refused(workspace, "search", "lenet", *SMALL, *itself)
    assert json_of(workspace, "status", "teacher")["counted"] == 3


def test_fresh_begins_anew_with_other_settings(searched: tuple[Workspace, Any]) -> None:
    workspace, _ = searched
    again = ("search", "lenet", *SMALL[:4], "--study", "renewed", "--trials")
    before = json_of(workspace, *again, "2", "--max-macs", "1M")
    assert "limits.macs" in refused(workspace, *again, "3", "--max-macs", "2M")
    after = json_of(workspace, *again, "3", "--max-macs", "2M", "--fresh")
    assert (before["counted"], after["counted"], after["limits"]) == (2, 3, {"macs": 2_000_000})
    assert [trial["number"] for trial in after["trials"]] == [0, 1, 2]


def test_a_search_in_which_every_training_diverges_says_so(study: Workspace) -> None:
    text = study.params_file.read_text()
    study.params_file.write_text(text.replace("  common:\n", "  common:\n    learning_rate: 1.0e+9\n", 1))
    with pytest.raises(RunsFailedError, match=r"all 2 trials failed; most common reason \(\d\): diverged: "):
        called(study, "search", "lenet", "--trials", "2", *SMALL, "--study", "hopeless")
    assert {trial["state"] for trial in json_of(study, "status", "hopeless")["trials"]} == {"failed"}


def test_a_search_that_is_refused_leaves_the_study_that_it_would_begin_anew(
    searched: tuple[Workspace, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.search.lock.PATIENCE_SECONDS", 0.1)
    workspace, record = searched
    again = ("search", "lenet", "--trials", "2", *SMALL, "--study", "first", "--fresh")
    with (
        Studies(storage_url(workspace, None), workspace.locks) as studies,
        studies.lock("first").held(),
        pytest.raises(StorageError, match=f"study first is already running in process {os.getpid()}"),
    ):
        called(workspace, *again)
    assert json_of(workspace, "status", "first") == record


def test_hours_are_a_budget_that_is_spent_and_can_be_raised(
    searched: tuple[Workspace, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on by a second with every training that ends."""
    workspace, _ = searched
    clock = SimpleNamespace(monotonic=lambda: float(len(list(workspace.runs.glob("*/result.json")))))
    monkeypatch.setattr("pipeline.search.driver.time", clock)
    timed = ("search", "lenet", *SMALL, "--study", "timed", "--seed", "3", "--hours")
    first = json_of(workspace, *timed, f"{2 / 3600}")
    assert first["state"] == "complete" and 2 <= first["counted"] <= 4 and first["budget"] == {"hours": 2 / 3600}
    assert json_of(workspace, *timed, f"{2 / 3600}")["counted"] == first["counted"]
    assert json_of(workspace, *timed, f"{2 / 3600}", "--dry-run")["trials"] == 0
    more = json_of(workspace, *timed, f"{6 / 3600}")
    assert more["state"] == "complete" and more["counted"] > first["counted"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--hours", "nan"), "must be positive and finite"),
        (("--hours", "inf"), "must be positive and finite"),
        (("--trials", "2", "--max-macs", "0.4"), "must be at least 1"),
        (("--executor", "proceses"), "unknown executor 'proceses': did you mean 'processes'?"),
        (("--study", 100 * "äx"), "--study (=äxäxäxäxäxäxäxäxäxäx…) must be at most 200 bytes long"),
        (("--storage", "studies.db"), "must be a URL: sqlite:///FILE"),
        (("--device", "gpu"), "unknown device 'gpu'"),
        (("--profile", "fast"), "unknown profile 'fast'"),
    ],
)
def test_a_dry_run_refuses_what_the_search_would_refuse(
    searched: tuple[Workspace, Any], options: tuple[str, ...], why: str
) -> None:
    assert why in refused(searched[0], "search", " lenet , resnet", *options, "--dry-run")


def test_latency_can_be_limited_and_minimised(searched: tuple[Workspace, Any]) -> None:
    workspace, _ = searched
    found = json_of(
        workspace, "search", "lenet", "--trials", "3", *SMALL, "--max-latency", "100ms", "--max-train-memory", "200M",
        "--objectives", "error,latency", "--study", "quick",
    )  # fmt: skip
    assert all(0 < trial["latency_seconds"] <= 0.1 for trial in found["trials"])
    assert all(0 < trial["train_memory_bytes"] <= 200e6 for trial in found["trials"])
    assert found["objectives"] == ["error", "latency"]


def test_a_dry_run_trains_nothing(searched: tuple[Workspace, Any]) -> None:
    workspace, _ = searched
    runs = len(list(RunStore(workspace.runs)))
    said = called(workspace, "search", "lenet", "--trials", "5", *SMALL, "--study", "dry", "--dry-run")
    assert "18,432 networks" in said and "hours" in said and "MiB" in said
    assert "networks of the families are in the run store already, trained alike" in said
    assert len(list(RunStore(workspace.runs))) == runs and "dry" not in called(workspace, "studies")
    assert called(workspace, "search", "lenet", "--trials", "5", *SMALL, "--study", "dry", "--dry-run", "--quiet") == ""


def test_a_dry_run_says_what_the_search_would_do_to_a_study_that_is_there(searched: tuple[Workspace, Any]) -> None:
    workspace, _ = searched
    again = ("search", "lenet", "--trials", "8", *SMALL, "--study", "first", "--dry-run")
    assert (json_of(workspace, *again)["counted"], json_of(workspace, *again)["trials"]) == (8, 0)
    assert (json_of(workspace, *again, "--fresh")["counted"], json_of(workspace, *again, "--fresh")["trials"]) == (0, 8)
    assert "seed: 0 in the study, 1 now" in refused(workspace, *again, "--seed", "1")
    assert json_of(workspace, *again, "--seed", "1", "--fresh")["counted"] == 0
