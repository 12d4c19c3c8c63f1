"""A run whose batches were split for want of memory: told wherever it is told of, and no contradiction to another."""

import pytest
from memory import short_of_memory
from small_plans import manifest_of, smoke_plan
from torch import nn

from pipeline.evidence.records import RunSpec
from pipeline.evidence.statistics import IN_MICRO_BATCHES
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.running import jobs
from pipeline.running.campaign import run_plan
from pipeline.running.materials import build_network
from pipeline.tracking.content import run_ending
from pipeline.workspace import Workspace


def train_again_short_of_memory(
    place: Workspace, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, fits: int = 16
) -> None:
    for name in ("result", "measurement", "test"):
        (folder.path / f"{name}.json").unlink()

    def build_short(spec: RunSpec) -> nn.Module:
        model = build_network(spec)
        short_of_memory(model, fits)
        return model

    data = place.prepared_data / "fashion-mnist"
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.running.jobs.build_network", build_short)
        jobs.run_job(jobs.Job(place.runs, folder.run, data, manifest_of(place).test_fingerprint, test=True))


def test_a_split_run_is_told_in_records_and_mlflow(study: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = smoke_plan(study, seeds=(1, 2), keep_weights=False)
    first, second = run_plan(study, plan, "test", quiet=True).networks[0].runs
    folder = RunStore(study.runs).folder(first.run)
    train_again_short_of_memory(study, folder, monkeypatch)
    result, measurement = folder.result(), folder.measurement()
    assert result is not None and measurement is not None and measurement.micro_batches == 2
    assert run_ending(result, measurement, None, 0).tags["convstudy.micro_batches"] == "2"
    (network,) = run_plan(study, plan, "test", quiet=True).networks
    assert f"1 of 2 seeds {IN_MICRO_BATCHES}, for want of memory" in network.flags
    assert network.runs[0].test_error_percent is not None and network.runs[1] == second


def test_memory_that_is_there_again_gives_another_result_and_no_error(
    study: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = smoke_plan(study, seeds=(1,), keep_weights=False)
    first = run_plan(study, plan, "test", quiet=True).networks[0].runs[0]
    folder = RunStore(study.runs).folder(first.run)
    train_again_short_of_memory(study, folder, monkeypatch)
    split = folder.result()
    (folder.path / "test.json").unlink()
    (network,) = run_plan(study, plan, "test", quiet=True).networks
    whole = folder.result()
    assert split is not None and whole is not None and split.weights_sha256 != whole.weights_sha256
    measurement = network.runs[0].measurement
    assert measurement is not None and measurement.micro_batches == 1
    assert network.runs[0].history == first.history
    assert not any(IN_MICRO_BATCHES in flag for flag in network.flags)


def test_where_nothing_fits_the_attempt_is_lost_to_memory(study: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = smoke_plan(study, seeds=(1,))
    folder = RunStore(study.runs).folder(run_plan(study, plan, "test", quiet=True).networks[0].runs[0].run)
    with pytest.raises(MemoryError, match="can't allocate memory"):
        train_again_short_of_memory(study, folder, monkeypatch, fits=0)
    assert folder.result() is None
