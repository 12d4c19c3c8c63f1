"""Reproducing networks with real workers, a real run store and a real MLflow store."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import make_study
from small_plans import manifest_of, smoke_plan, statuses

from pipeline.data.manifest import load_manifest, write_manifest
from pipeline.errors import DataError, UsageError
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.statistics import NO_RATE_TRAINS
from pipeline.evidence.store import RunStore
from pipeline.files import sha256_file, write_json
from pipeline.machine import hardware, resolve_precision
from pipeline.reporting.doctor import examine
from pipeline.reporting.rebuild import rebuild_mlflow
from pipeline.reporting.report import write_report
from pipeline.running.campaign import estimate_campaign, plan_campaign, run_plan
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.reproduce import reproduce
from pipeline.running.requests import planned_requests
from pipeline.schema import read_record, to_json
from pipeline.settings import read_settings
from pipeline.stages import reproduce as reproduce_stage
from pipeline.tracking.store import open_store
from pipeline.workspace import Workspace


@pytest.fixture(scope="module")
def reproduced(
    prepared_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Workspace, GroupRecord]]:
    """One network reproduced by the smoke profile; tests read this study and do not change its runs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        workspace = make_study(tmp_path_factory.mktemp("reproduced") / "study", prepared_fashion_mnist, monkeypatch)
        yield workspace, run_plan(workspace, smoke_plan(workspace), "test", quiet=True)


def test_a_network_gets_a_rate_by_validation_seeds_and_one_test_each(
    reproduced: tuple[Workspace, GroupRecord],
) -> None:
    workspace, record = reproduced
    (network,) = record.networks
    assert [trial.learning_rate for trial in network.rates] == [0.02, 0.06]
    errors = [trial.validation_error_percent for trial in network.rates]
    assert network.recipe.learning_rate == network.rates[errors.index(min(errors))].learning_rate  # type: ignore[type-var]
    assert [run.seed for run in network.runs] == [1, 2]
    assert network.test_error_percent is not None and network.test_error_percent.n == 2
    assert network.test_error_percent.interval is not None
    store = RunStore(workspace.runs)
    assert len(list(store)) == 4
    for trial in network.rates:  # the choice never saw a test image
        assert store.folder(trial.run).test_score() is None
    for run in network.runs:
        folder = store.folder(run.run)
        score, result, header = folder.test_score(), folder.result(), folder.header()
        assert score is not None and score.images == 10_000 and score.test_error_percent == run.test_error_percent
        assert result is not None and result.weights_sha256 == score.weights_sha256
        assert header is not None and header.spec.recipe.precision in ("float32", "bfloat16")
        assert run.measurement is not None and run.measurement.hardware == hardware("cpu")
        assert not list(folder.path.glob("checkpoint-*")) and not folder.progress.exists()


def test_reproducing_again_trains_nothing_and_adding_a_seed_trains_only_that(
    reproduced: tuple[Workspace, GroupRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, record = reproduced
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(workspace.root, copy.root)
    monkeypatch.setenv("CONVSTUDY_HOME", str(copy.root))
    finished = {folder.run: (folder.path / "measurement.json").read_bytes() for folder in RunStore(copy.runs)}
    again = run_plan(copy, smoke_plan(copy, seeds=(1, 2, 3)), "test", quiet=True)
    now = {folder.run: (folder.path / "measurement.json").read_bytes() for folder in RunStore(copy.runs)}
    assert {run: now[run] for run in finished} == finished
    assert len(now) == len(finished) + 1
    assert again.networks[0].runs[:2] == record.networks[0].runs


def test_mlflow_equals_the_run_store_live_and_after_deleting_and_replaying(
    reproduced: tuple[Workspace, GroupRecord], tmp_path: Path
) -> None:
    workspace, record = reproduced

    def seen(folder: Path) -> dict[str, tuple[str, str, dict[str, float]]]:
        store = open_store(folder)
        return {
            run.data.tags["convstudy.run"]: (
                run.info.status,
                run.data.tags["convstudy.role"],
                {key: value for key, value in run.data.metrics.items() if not key.startswith("system")},
            )
            for experiment in store.experiments()
            for run in store.runs(experiment)
            if "convstudy.run" in run.data.tags
        }

    live = seen(workspace.mlflow)
    assert len(live) == 4 and {status for status, _, _ in live.values()} == {"FINISHED"}
    for run in record.networks[0].runs:
        metrics = live[run.run][2]
        assert metrics["validation_error_percent"] == run.history[-1].validation_error_percent
        assert metrics["test_error_percent"] == run.test_error_percent
    fresh = Workspace(tmp_path / "fresh")
    fresh.root.mkdir()
    fresh.runs.symlink_to(workspace.runs)
    assert rebuild_mlflow(fresh, print)["created"] == 4
    assert seen(fresh.mlflow) == live
    assert rebuild_mlflow(fresh, print)["unchanged"] == 4
    assert seen(fresh.mlflow) == live


def test_rates_that_begin_badly_are_stopped_and_a_larger_grid_trains_them_on(study: Workspace) -> None:
    plan = smoke_plan(study, seeds=(1,))
    (network,) = plan.networks
    halved = dataclasses.replace(
        network,
        rates=(0.001, 0.02, 0.06, 0.1),
        choice={**network.choice, "epochs": 2},
        reduction=2,
    )
    (record,) = run_plan(study, dataclasses.replace(plan, networks=(halved,)), "test", quiet=True).networks
    stopped = [trial for trial in record.rates if trial.state == "stopped"]
    assert sorted(trial.epochs for trial in record.rates) == [1, 1, 2, 2] and len(stopped) == 2
    assert record.recipe.learning_rate not in [trial.learning_rate for trial in stopped]
    store = RunStore(study.runs)
    for trial in stopped:
        assert not list(store.folder(trial.run).path.glob("checkpoint-*"))
    assert set(statuses(study)) == {"FINISHED"}
    mirrored = rebuild_mlflow(study, print)
    assert mirrored["unchanged"] == 5 and mirrored["created"] == 0

    full = dataclasses.replace(halved, reduction=None)
    (again,) = run_plan(study, dataclasses.replace(plan, networks=(full,)), "test", quiet=True).networks
    assert [trial.epochs for trial in again.rates] == [2, 2, 2, 2]
    assert {trial.run for trial in again.rates} == {trial.run for trial in record.rates}


def test_an_estimate_counts_finished_runs_and_uses_measured_speed(reproduced: tuple[Workspace, GroupRecord]) -> None:
    workspace, record = reproduced
    text, value = estimate_campaign(workspace, smoke_plan(workspace, seeds=(1, 2, 3, 4)), workers=2)
    (network,) = value["networks"]
    # the seeds are estimated at the first rate of the grid, which may not be the one that was chosen
    chosen_first = record.networks[0].recipe.learning_rate == 0.02
    assert network["runs"] == 6 and network["finished"] == (4 if chosen_first else 2)
    assert 0 < value["hours"] < 0.01 and "lenet-small" in text
    _, rest = estimate_campaign(workspace, smoke_plan(workspace, seeds=(1, 2, 3, 4)), 2, published=record)
    (network,) = rest["networks"]  # no rate is to be chosen, and two seeds are there
    assert (network["runs"], network["finished"]) == (6, 4)
    manifest = load_manifest(workspace.prepared_data / "fashion-mnist")
    planned = planned_requests(smoke_plan(workspace, seeds=(1, 2, 3, 4)), manifest, "cpu", record, lambda request: True)
    assert len(planned) == 4  # what this machine holds is asked for all the same
    _, larger = estimate_campaign(workspace, smoke_plan(workspace, "resnet-small", seeds=tuple(range(1, 9))), workers=2)
    assert larger["networks"][0]["finished"] == 0 and larger["hours"] > 0


def test_an_estimate_after_all_was_trained_finds_nothing_left_whichever_rate_was_chosen(
    reproduced: tuple[Workspace, GroupRecord],
) -> None:
    """With the grid in either order: the chosen rate is the first of it in one of them."""
    workspace, _ = reproduced
    for turned in (False, True):
        plan = smoke_plan(workspace)
        networks = tuple(dataclasses.replace(n, rates=n.rates[::-1] if turned else n.rates) for n in plan.networks)
        _, value = estimate_campaign(workspace, dataclasses.replace(plan, networks=networks), workers=1)
        (network,) = value["networks"]
        assert network["finished"] == network["runs"] == 4 and value["hours"] == 0


def test_a_store_of_mlflow_that_cannot_be_written_does_not_stop_a_training(
    study: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(study.mlflow)
    study.mlflow.write_text("a file where MLflow's folder should be")
    record = run_plan(study, smoke_plan(study, seeds=(1,)), "test")
    assert record.networks[0].runs[0].state == "complete"
    assert "mlruns" in capsys.readouterr().err


def test_a_missing_test_is_made_up_by_training_to_the_same_weights(study: Workspace) -> None:
    plan = smoke_plan(study, seeds=(1,), keep_weights=False)
    first = run_plan(study, plan, "test", quiet=True).networks[0].runs[0]
    folder = RunStore(study.runs).folder(first.run)
    assert not folder.weights.exists()
    (folder.path / "test.json").unlink()
    second = run_plan(study, plan, "test", quiet=True).networks[0].runs[0]
    assert second.test_error_percent == first.test_error_percent and second.history == first.history


def test_test_data_shape_neither_the_choice_of_rate_nor_any_training(study: Workspace) -> None:
    plan = smoke_plan(study, seeds=(1,))
    first = run_plan(study, plan, "test", quiet=True).networks[0]
    folder = study.prepared_data / "fashion-mnist"
    manifest = manifest_of(study)
    test = manifest.splits["test"]
    images, labels = np.load(folder / test.images_file), np.load(folder / test.labels_file)
    for name, array in ((test.images_file, 255 - images), (test.labels_file, np.roll(labels, 1))):
        (folder / name).unlink()  # a link to the shared data set
        np.save(folder / name, array)
    changed = dataclasses.replace(
        test,
        images_sha256=sha256_file(folder / test.images_file),
        labels_sha256=sha256_file(folder / test.labels_file),
    )
    (folder / "manifest.json").unlink()
    (folder / "manifest.sha256").unlink()
    write_manifest(folder, dataclasses.replace(manifest, splits={**manifest.splits, "test": changed}))
    measured = {path: path.read_bytes() for path in study.runs.glob("*/measurement.json")}
    second = run_plan(study, plan, "test", quiet=True).networks[0]
    assert {path: path.read_bytes() for path in study.runs.glob("*/measurement.json")} == measured  # only tested again
    shutil.rmtree(study.runs)
    third = run_plan(study, plan, "test", quiet=True).networks[0]
    untimed = [dataclasses.replace(trial, core_seconds=None) for trial in first.rates]
    assert [dataclasses.replace(trial, core_seconds=None) for trial in third.rates] == untimed
    assert all(trial.core_seconds for trial in third.rates)
    assert third.runs[0].history == first.runs[0].history
    assert second.rates == first.rates
    assert [(run.run, run.history) for run in second.runs] == [(run.run, run.history) for run in first.runs]
    assert second.runs[0].test_error_percent != first.runs[0].test_error_percent


def test_data_that_changed_since_the_plan_stop_the_run(study: Workspace) -> None:
    plan, manifest = smoke_plan(study, seeds=(1,)), manifest_of(study)
    foreign = dataclasses.replace(manifest, mean=(0.5,))
    with (
        open_runner(study, manifest, "cpu", Display("test", 3, quiet=True), RunnerOptions()) as runner,
        pytest.raises(DataError, match="plan again, or prepare the former data"),
    ):
        reproduce(plan, foreign, runner, "cpu")


def test_a_corrupted_array_stops_the_run_naming_file_and_checksums(study: Workspace) -> None:
    path = study.prepared_data / "fashion-mnist" / "train-images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train-images\.npy.*expected.*found"):
        run_plan(study, smoke_plan(study, seeds=(1,)), "test", quiet=True)
    assert "FAULT" in examine(study)["data"]["fashion-mnist"]


def test_a_plan_refuses_unknown_networks_and_impossible_resolutions(study: Workspace) -> None:
    settings = read_settings(study.params_file)
    with pytest.raises(UsageError, match="did you mean 'lenet-small'"):
        plan_campaign(study, settings, ["lenet-smal"], "smoke", None)
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        plan_campaign(study, settings, [], "quik", None)


def test_a_network_that_no_rate_trains_is_a_result_and_ends_no_study(study: Workspace) -> None:
    plan = smoke_plan(study)
    hopeless = tuple(dataclasses.replace(network, rates=(1e12, 1e13)) for network in plan.networks)
    write_json(study.plans / "reproduce" / "lenet.json", to_json(dataclasses.replace(plan, networks=hopeless)))
    reproduce_stage.main()
    record = read_record(GroupRecord, study.results / "runs" / "lenet.json")
    (network,) = record.networks
    assert NO_RATE_TRAINS in network.flags and network.runs == () and not record.lost
    assert {trial.state for trial in network.rates} == {"failed"}
    assert network.recipe.precision == resolve_precision("auto", "cpu") and network.recipe.learning_rate == 1e12
    write_report(study.results, study)
    assert "No network learned anything yet" in (study.results / "REPORT.md").read_text()
