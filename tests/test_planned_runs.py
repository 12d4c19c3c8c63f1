"""What plans train keeps its address: that of the runs which are published, and that of any user's run store."""

from pathlib import Path

import pytest
from conftest import CHECKOUT

from pipeline.claims.catalogue import Catalogue, read_catalogue
from pipeline.claims.experiments import plan_experiment
from pipeline.data.manifest import Manifest
from pipeline.evidence.records import GroupRecord
from pipeline.files import read_json, sha256_text
from pipeline.machine import DeviceKind
from pipeline.running.plans import RunPlan, plan_runs
from pipeline.running.requests import planned_requests, rate_requests, seed_requests
from pipeline.schema import read_record
from pipeline.search.candidates import spec_of
from pipeline.search.plans import default_name, plan_searches
from pipeline.settings import Settings, read_settings
from pipeline.workspace import Workspace

PUBLISHED = Workspace(CHECKOUT).published
RECORDS = [
    path
    for folder in ("quick/runs", "quick/experiments", "claims/experiments", "claims/unfinished")
    for path in sorted((PUBLISHED / folder).glob("*.json"))
    if read_json(path)["networks"]
]
FAMILIES = ("alexnet", "densenet", "googlenet", "lenet", "nin", "regnet", "resnet", "resnext", "vgg")
SMALL = [f"{family}-small" for family in FAMILIES]
SOURCE = ["alexnet", "densenet", "googlenet", "lenet", "nin", "regnetx32", "bn-lenet", "plain18", "resnet18"]
PINNED = {
    "smoke": (["lenet-small", "resnet-small"], "d025d361a90bc281"),
    "quick": (SMALL, "20d19cb83b1dce31"),
    "full": ([*SMALL, "lenet", "bn-lenet"], "36b748ab65ebbfd8"),
    "gpu": ([*SOURCE, "vgg11-narrow"], "20fe005820c087ce"),
}
"""Digests of the addresses of all runs that these networks take by a profile, in float32 where the machine decides.

One changes where the profile is changed on purpose, or the engine's version is raised. Else, what a user has trained by
it would be trained again.
"""


@pytest.fixture(scope="module")
def settings() -> Settings:
    return read_settings(CHECKOUT / "params.yaml")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(CHECKOUT / "reports" / "claims.yaml")


def resolve_as(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    """Have plans be those of a machine that trains in a precision where it is left open."""
    monkeypatch.setattr("pipeline.machine._computes_bfloat16", lambda device: precision == "bfloat16")


@pytest.mark.parametrize("profile", PINNED)
def test_what_a_profile_trains_keeps_its_addresses(
    profile: str, settings: Settings, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_as(monkeypatch, "float32")
    names, digest = PINNED[profile]
    plans = plan_runs(settings, profile, manifest)
    requests = [request for plan in plans.values() for request in planned_requests(plan, manifest, "cpu")]
    hashes = {request.spec.hash for request in requests if request.name in names}
    assert sha256_text("\n".join(sorted(hashes)))[:16] == digest


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: str(path.relative_to(PUBLISHED)))
def test_published_runs_are_those_that_are_planned(
    path: Path, settings: Settings, catalogue: Catalogue, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read_record(GroupRecord, path)
    device: DeviceKind = "cuda" if record.profile == "gpu" else "cpu"
    plan = plan_of(record, settings, catalogue, manifest)
    recorded = {network.name: network for network in record.networks}
    assert record.data.fingerprint == manifest.fingerprint
    assert set(recorded) == {network.name for network in plan.networks}
    for network in plan.networks:
        found = recorded[network.name]
        resolve_as(monkeypatch, found.recipe.precision)
        requests = rate_requests(network, manifest, device)
        requests += seed_requests(network, found.recipe.learning_rate, plan, manifest, device)
        planned: dict[tuple[str, float, int], str] = {}
        for request in requests:
            spec = request.spec
            planned[request.member.role, spec.recipe.learning_rate, spec.seed] = spec.hash
        runs = {("learning-rate", trial.learning_rate, trial.seed): trial.run for trial in found.rates}
        chosen = [run for run in found.runs if run.seed in plan.seeds]
        runs |= {("seed", found.recipe.learning_rate, run.seed): run.run for run in chosen}
        assert runs == (planned if "unfinished" not in path.parts else {key: planned[key] for key in runs})


def plan_of(record: GroupRecord, settings: Settings, catalogue: Catalogue, manifest: Manifest) -> RunPlan:
    if record.group in catalogue.experiments:
        return plan_experiment(record.group, catalogue.experiments[record.group], record.profile, settings, manifest)
    return plan_runs(settings, record.profile, manifest)[record.group]


def test_the_published_search_is_the_one_that_is_planned(
    settings: Settings, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = read_json(PUBLISHED / "quick" / "studies" / "resnet.json")
    resolve_as(monkeypatch, published["plan"]["recipe"]["precision"])
    planned = plan_searches(settings, "quick", manifest, published["plan"]["device"])["resnet"]
    assert planned is not None and planned.study == default_name(planned.plan) == published["study"]
    assert len(published["trials"]) == planned.trials
    for trial in published["trials"]:
        assert spec_of(planned.plan, trial["config"]).hash == trial["run"]
