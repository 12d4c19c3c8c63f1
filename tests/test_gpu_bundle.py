"""The archive for a machine with a GPU, run on CPU by an interpreter that has PyTorch and little else."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

import gpu.study
from gpu.build import build
from gpu.collect import collect
from gpu.run import AGAIN
from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.machine import DeviceKind
from pipeline.process import Interrupted
from pipeline.running.estimate import PACKED, fitting
from pipeline.running.plans import RunPlan
from pipeline.running.reproduce import reproduce
from pipeline.running.runner import Runner
from pipeline.running.stored_runs import StoredRuns
from pipeline.schema import read_record
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[1]
NOT_ON_A_BARE_MACHINE = (
    "__editable__", "altair", "annotated_types", "convstudy", "dvc", "fvcore", "mlflow", "optuna", "pebble", "psutil",
    "pydantic", "rich", "safetensors", "statsmodels", "typer", "typing_inspection", "yaml", "_yaml", "vl_convert",
)  # fmt: skip


@pytest.mark.soak  # a minute
@pytest.mark.skipif(
    platform.machine() != "x86_64" or sys.platform != "linux", reason="the archive is for Linux, x86-64"
)
def test_the_bundle_runs_in_pieces_without_dvc_and_mlflow_and_its_records_are_taken_in(
    study: Workspace, tmp_path: Path
) -> None:
    (study.root / "reports").mkdir()
    for part in ("pipeline", "search_spaces", "gpu", "reports/claims.yaml", "pyproject.toml", "requirements.lock"):
        (study.root / part).symlink_to(CHECKOUT / part)
    archive = tmp_path / "dist" / "bundle.tar.gz"
    build(archive, f"{sys.version_info.major}.{sys.version_info.minor}")
    there = tmp_path / "there"
    with tarfile.open(archive) as packed:
        packed.extractall(there, filter="data")

    records = tmp_path / "records.tar.gz"
    assert _run(there, tmp_path, records, minutes=0.02) == AGAIN
    assert _run(there, tmp_path, records, 5, "--only", "lenet-rates") == 0
    assert [path.name for path in (there / "reports/results").glob("*/*.json")] == ["lenet-rates.json"]
    assert _run(there, tmp_path, records, minutes=5) == 0
    runs = [folder for folder in RunStore(there / "runs") if folder.result() is not None]
    assert len(runs) == 12  # two networks, two rates and two seeds each; two arms of an experiment, two seeds each
    assert (there / "reports" / "results" / "experiments" / "lenet-rates.json").exists()
    assert (there / "reports" / "results" / "timings" / "activations.json").exists()
    assert not (there / "mlruns").exists()
    before = {run.run: (run.path / "measurement.json").stat().st_mtime_ns for run in runs}
    assert _run(there, tmp_path, records, minutes=5) == 0
    assert {run.run: (run.path / "measurement.json").stat().st_mtime_ns for run in runs} == before

    with_published(study)
    tested = next(run for run in runs if run.test_score() is not None)
    half = study.runs / tested.run  # was brought before its test
    half.mkdir(parents=True)
    for name in ("run.json", "result.json"):
        shutil.copy(tested.path / name, half)
    published = collect(records, "brought-back", study)
    assert RunStore(study.runs).folder(tested.run).test_score() == tested.test_score()
    group = read_record(GroupRecord, published / "runs" / "resnet.json")
    assert (published / "experiments" / "lenet-rates.json").exists() and (published / "timings").exists()
    assert group.profile == "smoke" and group.networks[0].test_error_percent is not None
    assert group.networks[0].test_error_percent.n == 2
    assert {folder.run for folder in RunStore(study.runs)} == {run.run for run in runs}


def with_published(study: Workspace) -> None:
    """Give a workspace what the checkout has published."""
    for name in ("README.md", "params.yaml"):  # by the project's own recipes published records are whole
        shutil.copy(CHECKOUT / name, study.root / name)
    (study.root / "reports" / "claims.yaml").unlink(missing_ok=True)
    for name in ("docs", "reports"):
        shutil.copytree(CHECKOUT / name, study.root / name, dirs_exist_ok=True)


def test_experiments_brought_without_groups_renew_the_claims_alone(study: Workspace, tmp_path: Path) -> None:
    with_published(study)
    claims = study.published / "claims"
    brought = claims / "experiments" / "source-densenet.gpu.json"
    records, readme = tmp_path / "records.tar.gz", study.root / "README.md"
    with tarfile.open(records, "w:gz") as archive:
        archive.add(brought, "reports/results/experiments/source-densenet.json")
    before, text = brought.read_bytes(), readme.read_text()
    brought.unlink()
    (claims / "REPORT.md").unlink()
    with pytest.raises(UsageError, match="must consist of"):
        collect(records, "The H200", study)
    assert not brought.exists()
    assert collect(records, "h200", study) == claims
    assert brought.read_bytes() == before and readme.read_text() == text
    assert "error of the source's DenseNet" in (claims / "REPORT.md").read_text()
    assert not (study.published / "h200").exists()


def test_an_interrupted_experiment_leaves_what_is_finished_from_which_another_machine_goes_on(
    study: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (study.root / "reports").mkdir()
    (study.root / "reports" / "claims.yaml").symlink_to(CHECKOUT / "reports" / "claims.yaml")

    def interrupted(
        plan: RunPlan,
        manifest: Manifest,
        runner: Runner | StoredRuns,
        device: DeviceKind,
        published: GroupRecord | None,
    ) -> GroupRecord:
        record = reproduce(replace(plan, seeds=plan.seeds[:1]), manifest, runner, device, published)
        if isinstance(runner, Runner):
            raise Interrupted(signal.SIGTERM)
        return record

    with pytest.raises(UsageError, match="lenet-rate"):
        gpu.study.main("smoke", "cpu", only="lenet-rate")
    monkeypatch.setattr("pipeline.running.campaign.reproduce", interrupted)
    for only in ("lenet", "lenet-rates"):
        with pytest.raises(Interrupted):
            gpu.study.main("smoke", "cpu", only=only)
    assert not (study.results / "runs").exists()
    (record,) = (study.results / "experiments").glob("*.json")
    assert [len(network.runs) for network in read_record(GroupRecord, record).networks] == [1, 1]
    monkeypatch.setattr("pipeline.running.campaign.reproduce", reproduce)
    unfinished = study.published / "claims" / "unfinished"
    unfinished.mkdir(parents=True)
    shutil.copy(record, unfinished)
    shutil.rmtree(study.runs)
    gpu.study.main("smoke", "cpu", only="lenet-rates", published=True)  # it was not taken for done
    assert [len(network.runs) for network in read_record(GroupRecord, record).networks] == [2, 2]
    assert len(list(RunStore(study.runs))) == 2


def _run(there: Path, tmp_path: Path, records: Path, minutes: float, *options: str) -> int:
    """The script, by the interpreter below the virtual environment, which sees only what a bare machine would have."""
    bare = tmp_path / "bare"
    if not bare.exists():
        bare.mkdir()
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if not path.name.lower().startswith(NOT_ON_A_BARE_MACHINE):
                (bare / path.name).symlink_to(path)
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    command = [str(python), "gpu/run.py", "--profile", "smoke", "--minutes", str(minutes), "--output", str(records)]
    command += options
    environment = {name: text for name, text in os.environ.items() if name != "CONVSTUDY_HOME"}
    return subprocess.run(command, cwd=there, env={**environment, "PYTHONPATH": str(bare)}, check=False).returncode


def test_trainings_are_packed_by_the_memory_of_the_card_and_the_cores() -> None:
    gib = 2**30
    assert fitting(80 * gib, 30 * gib, cores=16) == 2
    assert fitting(80 * gib, 3 * gib, cores=16) == PACKED
    assert fitting(80 * gib, 3 * gib, cores=2) == 2
    assert fitting(10 * gib, 30 * gib, cores=16) == 1
