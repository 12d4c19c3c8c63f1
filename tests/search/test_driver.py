"""The driver of a search: exact budgets, the same study each time, new networks within the limits by every sampler."""

from pathlib import Path

import pytest
from table_search import TableExecutor, check_trials, record_of, run_table, searched, table_plan

import search_spaces
from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest
from pipeline.errors import StorageError, UsageError
from pipeline.evidence.study_records import SAMPLERS
from pipeline.search.candidates import Candidates
from pipeline.search.gate import described
from pipeline.search.samplers import STARTUP
from pipeline.search.search_plans import AUTO, differences


@pytest.mark.parametrize(("count", "repeats"), [(20, 1), pytest.param(40, 20, marks=pytest.mark.soak)])
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


def test_more_trials_later_are_those_of_one_go_when_all_train_in_full(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False)
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
        f"sampler: '{AUTO}' in the study, 'random' now",
    ]
    assert differences(one, one) == []


def test_a_second_driver_is_refused_and_told_who_holds_the_study(tmp_path: Path, manifest: Manifest) -> None:
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


def test_a_space_with_too_few_networks_is_walked_to_its_end(tmp_path: Path, manifest: Manifest) -> None:
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
    assert record["state"] == "exhausted" and record["counted"] == feasible and record["refused"] > 1000


def test_limits_that_no_network_can_meet_are_refused_with_the_cheapest(manifest: Manifest) -> None:
    with pytest.raises(UsageError, match=r"within the limits \(macs 1k\); the cheapest has macs 323.3k, params"):
        table_plan(manifest, limits=Limits(macs=1000))


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
        candidates.know(candidate.config)
        family = search_spaces.family(candidate.config["family"])
        design = candidates.space.design(candidate.values)
        assert described(design) == candidate.config
        model = search_spaces.instantiate(family, design.config, 28, device="meta") if number % 50 == 0 else None
        price = search_spaces.price(family, design.config, 28)
        assert price.macs <= 3_000_000 and price.params <= 30_000 and price.activations <= 60_000
        assert model is None or sum(p.numel() for p in model.parameters()) == price.params
