"""Samplers of a user's own and of OptunaHub, in searches and in `bench-search`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from table_search import TableExecutor, run_table, table_plan
from verbs import SMALL, refused

from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import Trial
from pipeline.search import custom_samplers
from pipeline.search.plans import default_name
from pipeline.search.searches import read_study
from pipeline.workspace import Workspace

MODULE = """
import optuna

class Seedless(optuna.samplers.BaseSampler):
    "The smallest value of every integer; other values by the number of the trial."
    def infer_relative_search_space(self, study, trial): return {}
    def sample_relative(self, study, trial, search_space): return {}
    def sample_independent(self, study, trial, name, distribution):
        if isinstance(distribution, optuna.distributions.IntDistribution): return distribution.low
        return distribution.choices[trial.number % len(distribution.choices)]

class Outside(Seedless):
    def sample_independent(self, study, trial, name, distribution): return -1

class Broken(Seedless):
    def __init__(self): raise RuntimeError("no licence\\nfound")

def made(seed): return optuna.samplers.TPESampler(seed=seed, n_startup_trials=3)
number = 7
def text(): return "no sampler"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, which holds a module with samplers."""
    (tmp_path / "own_samplers.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    custom_samplers._loaded.cache_clear()
    yield tmp_path
    sys.modules.pop("own_samplers", None)
    custom_samplers._loaded.cache_clear()


def searched(root: Path, manifest: Manifest, sampler: str, count: int = 8) -> list[Trial]:
    plan = table_plan(manifest, sampler=sampler, halving=False)
    studies = run_table(root, manifest, plan, count, TableExecutor(1))
    trials = studies.open("study").trials()
    assert read_study(studies.open("study"), RunStore(root / "runs")).sampler == sampler
    studies.close()
    return trials


def test_a_sampler_of_the_current_folder_draws_and_is_named(folder: Path, manifest: Manifest) -> None:
    trials = searched(folder / "a", manifest, "own_samplers:Seedless")
    assert trials[0].drawn_by == "own_samplers:Seedless"
    assert trials[0].values["resnet.width_1"] == 8 and trials[0].values["resnet.stages"] == 2


def test_a_sampler_gets_the_seed_and_repeats_its_draws(folder: Path, manifest: Manifest) -> None:
    one, two = (searched(folder / part, manifest, "own_samplers:made") for part in ("a", "b"))
    assert one == two and "own_samplers:made" in {trial.drawn_by for trial in one}
    searched(folder / "c", manifest, "own_samplers:made", 5)
    assert searched(folder / "c", manifest, "own_samplers:made") == one  # continued
    other = table_plan(manifest, sampler="own_samplers:made", seed=1)
    assert default_name(other) != default_name(table_plan(manifest, sampler="own_samplers:made"))


def test_the_sampler_is_part_of_a_studys_name(folder: Path, manifest: Manifest) -> None:
    names = {default_name(table_plan(manifest, sampler=f"own_samplers:{name}")) for name in ("made", "Seedless")}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ("tpee", "unknown sampler 'tpee': known: auto, tpe, "),
        ("no_such_module:Sampler", "sampler no_such_module:Sampler failed: ModuleNotFoundError: No module named"),
        ("own_samplers:Missing", "sampler own_samplers:Missing failed: AttributeError: module 'own_samplers'"),
        ("own_samplers:number", "sampler own_samplers:number is a int, not a sampler class"),
        ("own_samplers:text", "sampler own_samplers:text gives a str, not an optuna.samplers.BaseSampler"),
        ("own_samplers:Broken", "sampler own_samplers:Broken failed: RuntimeError: no licence found"),
        (":", "sampler : failed: "),
    ],
)
def test_what_is_no_sampler_is_refused_in_one_line(folder: Path, study: Workspace, sampler: str, message: str) -> None:
    assert message in refused(study, "search", "lenet", *SMALL, "--sampler", sampler, "--dry-run")


def test_a_value_outside_the_space_ends_the_search_with_its_name(folder: Path, manifest: Manifest) -> None:
    with pytest.raises(UsageError, match=r"sampler own_samplers:Outside failed: ValueError: .*-1"):
        searched(folder, manifest, "own_samplers:Outside")


def test_bench_search_lists_a_custom_sampler(folder: Path, study: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def compare_into(result: Path, table: Path, samplers: list[str], *rest: object) -> None:
        seen.append(samplers)
        raise UsageError("compared")

    monkeypatch.setattr("benchmarks.search_bench.compare_into", compare_into)
    table = folder / "table.json"
    table.write_text(json.dumps({}))
    arguments = ("bench-search", "--table", str(table), "--samplers")
    assert "compared" in refused(study, *arguments, "own_samplers:made,tpe")
    assert seen == [["tpe", "random", "own_samplers:made"]]
    assert "AttributeError" in refused(study, *arguments, "own_samplers:Missing")


def test_a_package_of_optunahub_is_a_sampler(
    tmp_path: Path, study: Workspace, monkeypatch: pytest.MonkeyPatch, manifest: Manifest
) -> None:
    pytest.importorskip("optunahub")
    package = tmp_path / "cache/github.com/optuna/optunahub-registry/main/package/samplers"
    for name, classes in (("one", ["One"]), ("two", ["First", "Second"]), ("none", [])):
        (package / name).mkdir(parents=True)
        lines = ["import optuna", f"__all__ = {classes!r}"]
        lines += [f"class {each}(optuna.samplers.RandomSampler):\n    pass" for each in classes]
        (package / name / "__init__.py").write_text("\n".join(lines))
    monkeypatch.setenv("OPTUNAHUB_CACHE_HOME", str(tmp_path / "cache"))
    custom_samplers._loaded.cache_clear()
    for sampler in ("optunahub:samplers/one", "optunahub:samplers/two:Second"):
        assert {trial.drawn_by for trial in searched(tmp_path / sampler[-3:], manifest, sampler, 3)} == {sampler}
    two = refused(study, "search", "lenet", *SMALL, "--sampler", "optunahub:samplers/two", "--dry-run")
    assert "has the samplers First, Second: add :CLASS to choose one" in two
    none = refused(study, "search", "lenet", *SMALL, "--sampler", "optunahub:samplers/none", "--dry-run")
    assert "has the samplers (none)" in none


def test_optunahub_that_is_not_installed_is_named(study: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optunahub", None)
    custom_samplers._loaded.cache_clear()
    said = refused(study, "search", "lenet", *SMALL, "--sampler", "optunahub:samplers/one", "--dry-run")
    assert "needs OptunaHub: pip install '.[optunahub]'" in said
