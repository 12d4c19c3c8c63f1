"""The driver of a search: exact budgets, the same study each time, new networks within the limits by every sampler."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import CHECKOUT
from table_search import TableExecutor, check_trials, record_of, run_table, searched, table_plan

import search_spaces
from pipeline.cost.limits import Limits
from pipeline.cost.table import shown
from pipeline.data.manifest import Manifest
from pipeline.errors import StorageError, UsageError
from pipeline.evidence.study_records import SAMPLERS, Budget
from pipeline.files import canonical_json, read_json
from pipeline.running.jobs import Job
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from pipeline.search.candidates import Candidates
from pipeline.search.driver import Driver, Tally
from pipeline.search.gate import described
from pipeline.search.plans import AUTO, SearchKind, default_name, differences
from pipeline.search.samplers import STARTUP
from pipeline.search.studies import Studies
from pipeline.search.warm_starts import warm_start_of, warm_trials
from pipeline.workspace import Workspace


class NoWork:
    """A runner that nothing is asked of."""

    def submit(self, request: Request) -> None:
        raise AssertionError(f"{request.name} was asked for")

    def outcomes(self) -> Iterator[Outcome]:
        return iter(())

    def stop(self, request: Request) -> None:
        raise AssertionError(f"{request.name} was stopped")


@pytest.mark.parametrize(("count", "repeats"), [(12, 1), pytest.param(40, 20, marks=pytest.mark.soak)])
@pytest.mark.parametrize("workers", [1, 2, 4, 8])
@pytest.mark.parametrize("halving", [False, True])
def test_the_budget_is_exact_with_any_number_of_workers(
    tmp_path: Path, manifest: Manifest, workers: int, halving: bool, count: int, repeats: int
) -> None:
    plan = table_plan(manifest, halving=halving, sampler="random")
    for repeat in range(repeats):
        trials, executor = searched(tmp_path / f"{repeat}", manifest, plan, count, TableExecutor(workers, seconds=0.01))
        check_trials(trials, plan, count, [executor])
        if halving:
            assert {"complete", "stopped"} == {trial.state for trial in trials}
            assert sum(after - before for _, before, after in executor.trained) < count * 9 / 2


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest)
    first, second = (searched(tmp_path / part, manifest, plan, 20)[0] for part in ("a", "b"))
    assert first == second
    other, _ = searched(tmp_path / "c", manifest, table_plan(manifest, seed=1), 20)
    assert [trial.config for trial in other] != [trial.config for trial in first]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "evolution", "qmc", "random"])
def test_more_trials_later_are_those_of_one_go_when_all_train_in_full(
    tmp_path: Path, manifest: Manifest, sampler: str
) -> None:
    plan = table_plan(manifest, halving=False, sampler=sampler)
    searched(tmp_path / "two", manifest, plan, 12)
    again, executor = searched(tmp_path / "two", manifest, plan, 20)
    assert len(executor.trained) == 8
    assert again == searched(tmp_path / "one", manifest, plan, 20)[0]
    fewer, executor = searched(tmp_path / "two", manifest, plan, 5)
    assert fewer == again and not executor.trained


def test_a_plan_that_differs_is_told_field_by_field(manifest: Manifest) -> None:
    one = table_plan(manifest)
    other = table_plan(manifest, limits=Limits(macs=4_000_000), sampler="random")
    assert differences(one, other) == [
        "limits.macs: 5000000 in the study, 4000000 now",
        f"sampler: '{AUTO[SearchKind(costs=True, halving=True)]}' in the study, 'random' now",
    ]
    assert differences(one, one) == []


def test_a_second_driver_is_refused_and_told_who_holds_the_study(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.search.lock.PATIENCE_SECONDS", 0.1)
    plan = table_plan(manifest)
    studies = run_table(tmp_path, manifest, plan, 2, TableExecutor(1))
    study = studies.open("study")
    assert not study.is_driven()
    with study.driven():
        assert study.is_driven()
        with pytest.raises(StorageError, match="study study is already running in process"), study.driven():
            pass
    studies.close()


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "gp"])
def test_every_sampler_draws_new_networks_within_the_limits(tmp_path: Path, manifest: Manifest, sampler: str) -> None:
    plan = table_plan(manifest, "resnet", "lenet", sampler=sampler, limits=Limits(macs=2_000_000, params=50_000))
    trials, executor = searched(tmp_path, manifest, plan, 30)
    check_trials(trials, plan, 30, [executor])
    uniform = [trial.number for trial in trials if trial.drawn_by == "random"]
    if sampler in ("tpe", "nsga2", "evolution"):  # uniform until there is something to learn from
        assert uniform[:STARTUP] == list(range(STARTUP)) and len(uniform) < 30
    else:
        assert sum(trial.drawn_by == sampler for trial in trials) > (20 if sampler != "qmc" else 5)
    assert sum(trial.refused for trial in trials) > 0


def test_a_space_with_too_few_networks_is_walked_to_its_end(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.search.candidates.UNIFORM_DRAWS", 3_000)
    space = search_spaces.space(["lenet"])

    def macs(design: search_spaces.Design) -> float:
        return search_spaces.price(design.family, design.config, 28).macs

    cheapest = sorted(macs(space.design(values)) for values in space.points())
    limit = int(cheapest[6])
    feasible = sum(cost <= limit for cost in cheapest)
    plan = table_plan(manifest, "lenet", limits=Limits(macs=limit), halving=False)
    trials, _ = searched(tmp_path, manifest, plan, feasible + 20)
    assert len(trials) == feasible
    record = record_of(tmp_path)
    assert record.state == "exhausted" and record.counted == feasible and record.refused > 1000


def test_a_large_space_in_which_draws_find_nothing_gives_its_networks_all_the_same(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of AnyNet's millions some hundreds cost so little: reached from the cheapest, and the same after a pause."""
    monkeypatch.setattr("pipeline.search.candidates.UNIFORM_DRAWS", 100)
    plan = table_plan(manifest, "anynet-a", limits=Limits(macs=1_003_072), halving=False)
    trials, _ = searched(tmp_path / "one", manifest, plan, 20)
    assert len({canonical_json(trial.config) for trial in trials}) == len(trials) == 20
    assert sum(trial.drawn_by == "walk" for trial in trials) > 10  # no population of uniformly drawn networks
    searched(tmp_path / "two", manifest, plan, 13)
    assert searched(tmp_path / "two", manifest, plan, 20)[0] == trials


def test_limits_that_no_network_can_meet_are_refused_with_the_cheapest(manifest: Manifest) -> None:
    with pytest.raises(UsageError, match=r"within the limits \(macs 1,000\); the cheapest has macs 323,328, params"):
        table_plan(manifest, limits=Limits(macs=1000))


def test_a_limit_just_below_the_cheapest_network_is_refused_with_numbers_that_differ(manifest: Manifest) -> None:
    least = 323_328
    assert table_plan(manifest, limits=Limits(macs=least)).limits.given == {"macs": least}
    with pytest.raises(UsageError, match=r"\(macs 323,327\); the cheapest has macs 323,328, "):
        table_plan(manifest, limits=Limits(macs=least - 1))


@pytest.mark.parametrize(
    ("key", "limit", "written"),
    [
        ("params", 1_000_001, "params 1,000,001"),
        ("train_memory_bytes", 2**30 + 1, "train_memory_bytes 1,073,741,825 bytes"),
        ("latency_seconds", 0.00500004, "latency_seconds 5.00004 ms"),
    ],
)
def test_costs_in_a_refusal_are_exact(key: str, limit: float, written: str) -> None:
    assert shown({key: limit}) == written


def test_limits_that_only_a_network_dear_in_nothing_meets_are_accepted(manifest: Manifest) -> None:
    """Neither the cheapest VGG in MACs nor the one in parameters or activations is within all three."""
    plan = table_plan(manifest, "vgg", limits=Limits(macs=198_288, params=2_026, activations=8_232))
    assert plan.limits.given["params"] == 2_026
    rare = Limits(macs=198_288, params=1_978, activations=8_232)  # which 20,000 draws of a mixed space do not meet
    for seed in (0, 1):
        assert table_plan(manifest, "vgg", "resnet", "resnext", "densenet", limits=rare, seed=seed).limits == rare


def test_where_a_study_stands_is_told_before_anything_new_happens(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest)
    studies = run_table(tmp_path, manifest, plan, 6, TableExecutor(1))
    heard: list[int] = []

    def hear(tally: Tally) -> None:
        heard.append(sum(trial.counted_at is not None for trial in tally.trials.values()))

    Driver(studies.open("study"), Budget(trials=6), NoWork(), 1, on_change=hear).run()
    studies.close()
    assert heard[:1] == [6]


def test_hours_that_end_before_any_network_was_trained_in_full_leave_one_that_was(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("pipeline.search.driver.time", SimpleNamespace(monotonic=lambda: clock[0]))

    def takes_two_hours(job: Job) -> None:
        clock[0] += 2 * 3600

    plan = table_plan(manifest, sampler="random")
    studies = run_table(tmp_path, manifest, plan, Budget(hours=1), TableExecutor(1, takes_two_hours))
    (trial,) = studies.open("study").trials()
    studies.close()
    assert (trial.state, len(trial.rungs)) == ("complete", len(plan.rungs))
    assert record_of(tmp_path).front == (0,) and record_of(tmp_path).state == "complete"


def test_drawing_ends_when_the_time_is_up(manifest: Manifest) -> None:
    limits = Limits(macs=2_000_000, latency_seconds=0.5)
    plan = replace(table_plan(manifest, "lenet", limits=Limits(macs=2_000_000)), limits=limits)
    candidates, asked = Candidates(plan, search_spaces.space(plan.space), lambda design: {"latency_seconds": 1.0}), [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] > 50

    assert candidates.next(0, stop) is None and asked[0] == 51


def test_the_published_population_can_be_a_warm_start(tmp_path: Path, manifest: Manifest) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match="unknown study 'population'"):
        warm_start_of(workspace, None, "population")
    shutil.copytree(CHECKOUT / "reports" / "published" / "population", workspace.published / "population")
    kept_as = warm_start_of(workspace, None, "population")
    assert kept_as.startswith("population:253:") and not workspace.studies.exists()
    with pytest.raises(UsageError, match="of other data"):  # without any storage, as a dry run has it
        other = replace(table_plan(manifest, warm_start=kept_as), data_fingerprint="other")
        warm_trials(workspace, None, other, "study")
    table = read_json(CHECKOUT / "reports" / "published" / "population" / "table.json")
    plan = replace(table_plan(manifest, warm_start=kept_as), data_fingerprint=table["plan"]["data_fingerprint"])
    with Studies(f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "locks") as studies:
        trials = warm_trials(workspace, studies, plan, "study")
        with pytest.raises(UsageError, match="of other data"):
            warm_trials(workspace, studies, replace(plan, data_fingerprint="other"), "study")
        with pytest.raises(UsageError, match="unknown study 'removed'"):  # and not the population in its place
            warm_trials(workspace, studies, replace(plan, warm_start="removed:4:00000000"), "study")
    resnets = sum(network["config"]["family"] == "resnet" for network in table["networks"])
    assert (
        len(trials) == 253 and Candidates(plan, search_spaces.space(["resnet"]), warm=trials).recalled == resnets > 50
    )
    assert default_name(plan) == default_name(replace(plan, warm_start="population:100:00000000"))


def test_of_a_thousand_candidates_none_is_over_a_limit(manifest: Manifest) -> None:
    plan = table_plan(
        manifest,
        "vgg",
        "resnet",
        "densenet",
        limits=Limits(macs=3_000_000, params=30_000, activations=60_000),
        sampler="random",
    )
    candidates = Candidates(plan, search_spaces.space(plan.space))
    for number in range(1000):
        candidate = candidates.next(number)
        assert candidate is not None
        candidates.know(candidate)
        family = search_spaces.family(candidate.config["family"])
        design = candidates.space.design(candidate.values)
        assert described(design) == candidate.config
        model = search_spaces.instantiate(family, design.config, 28, device="meta") if number % 50 == 0 else None
        price = search_spaces.price(family, design.config, 28)
        assert price.macs <= 3_000_000 and price.params <= 30_000 and price.activations <= 60_000
        assert model is None or sum(p.numel() for p in model.parameters()) == price.params
