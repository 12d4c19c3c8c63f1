"""bench-search: searches simulated by the real driver in a population, here one by formula."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from table_search import table_plan

import search_spaces
from benchmarks.fidelity import rank_correlations
from benchmarks.fidelity import tabulate as tabulate_fidelity
from benchmarks.full_trainings import RECIPE as FULL_RECIPE
from benchmarks.search_bench import (
    BUDGETS,
    FIRST_SEED,
    Arm,
    Course,
    SearchComparison,
    compare_into,
    delivered,
    label_of,
    simulate,
)
from benchmarks.search_verdict import KINDS, ONE, TWO, auto, compute_share, summary, tabulate, worse_than_random
from benchmarks.surrogate import Surrogate, mean_curve, residuals
from pipeline.cost.limits import Limits
from pipeline.data.manifest import load_manifest
from pipeline.errors import UsageError
from pipeline.evidence.population import FullTraining, FullTrainings, PopulationTable, TableNetwork
from pipeline.evidence.study_records import Rung, Trial
from pipeline.files import sha256_file, write_json
from pipeline.schema import read_record, to_json
from pipeline.search.gate import costs_of, described, over
from pipeline.search.plans import AUTO, SearchKind
from pipeline.search.summary import Bounds

EPOCHS = 9


@pytest.fixture(scope="module")
def table(prepared_fashion_mnist: Path) -> PopulationTable:
    manifest, limits = load_manifest(prepared_fashion_mnist), Limits(macs=4_000_000)
    plan = table_plan(manifest, "resnet", "densenet", sampler="random", halving=False, limits=limits)
    space, generator = search_spaces.space(plan.space), np.random.default_rng(0)
    networks: list[TableNetwork] = []
    while len(networks) < 60:
        values = space.draw(generator)
        design = space.design(values)
        costs = costs_of(design, plan)
        if costs is None or over(costs, plan):
            continue
        end = 40 / math.sqrt(1 + costs["macs"] / 1e6) - 4 * math.log10(costs["params"])
        errors = {}
        for seed in ("0", "1", "2") if len(networks) < 20 else ("0",):
            noise = generator.normal(0, 0.5)
            errors[seed] = tuple(30 + end + 3 * (EPOCHS - epoch) + noise for epoch in range(1, EPOCHS + 1))
        networks.append(TableNetwork(len(networks), described(design), values, costs, errors, 1.0))
    return PopulationTable(plan, tuple(networks), 0, {}, {}, "")


def test_the_surrogate_ranks_networks_it_has_not_seen(table: PopulationTable) -> None:
    surrogate = Surrogate(table)
    assert surrogate.rank_correlation() > 0.8
    network = table.networks[0]
    curve = surrogate.curve(network.config, network.costs)
    assert curve.shape == (EPOCHS,) and np.all(np.diff(curve) < 0)


def test_residuals_have_the_spread_of_the_seeds(table: PopulationTable) -> None:
    finals, found = residuals(table.networks)
    assert len(finals) == 60 and found.shape == (60, EPOCHS)
    assert float(np.std(found[:, -1])) == pytest.approx(0.5, rel=0.35)
    assert finals[0] == pytest.approx(mean_curve(table.networks[0])[-1])


def test_one_training_has_the_same_noise_wherever_it_is_met(table: PopulationTable) -> None:
    surrogate = Surrogate(table)
    assert np.array_equal(surrogate.noise(20.0, 1, "run"), surrogate.noise(20.0, 1, "run"))
    others = [tuple(surrogate.noise(20.0, repeat, "run")) for repeat in range(8)]
    assert len(set(others)) > 1


def test_a_comparison_goes_on_after_an_interrupt_and_is_never_overwritten_by_another(
    table: PopulationTable, tmp_path: Path
) -> None:
    table_file, file = tmp_path / "table.json", tmp_path / "search.json"
    write_json(table_file, to_json(table))

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_into(file, table_file, ["random"], 2, 1, interrupt)
    assert not file.exists()
    told: list[str] = []
    gone_on = compare_into(file, table_file, ["random"], 2, 1, told.append)
    assert told == ["bench-search: 2/2 repeats"] and not list(tmp_path.glob("*.parts/*"))
    courses = gone_on.courses["error and MACs"]["random, halving"]
    for seed, course in enumerate(courses, start=FIRST_SEED):
        assert course == simulate(Arm("random", True), Surrogate(table), seed, ("error", "macs"))

    before = file.read_bytes()
    with pytest.raises(UsageError, match=r"holds a comparison .* 2 repeats; move the file away"):
        compare_into(file, table_file, ["random"], 1, 1, lambda line: None)
    write_json(table_file, to_json(replace(table, networks=table.networks[1:])))
    with pytest.raises(UsageError, match="with another table"):
        compare_into(file, table_file, ["random"], 2, 1, lambda line: None)
    assert file.read_bytes() == before and gone_on.first_seed == FIRST_SEED


@pytest.mark.parametrize("halving", [True, False])
def test_a_simulated_search_spends_its_budget_and_no_more(table: PopulationTable, halving: bool) -> None:
    surrogate = Surrogate(table)
    course = simulate(Arm("evolution", halving), surrogate, 0, ("error", "macs"))
    assert course == simulate(Arm("evolution", halving), surrogate, 0, ("error", "macs"))
    assert course.hypervolume[-1] > course.hypervolume[0] > 0
    within = max(BUDGETS) + 1  # the last was begun when nothing was left
    assert course.trials == within if not halving else course.trials > 3 * within


def test_what_a_search_delivers_is_chosen_by_score_and_valued_at_its_expected_error() -> None:
    def trial(number: int, macs: float, *rungs: Rung) -> Trial:
        return Trial(number, {}, {}, {"macs": macs}, run=f"r{number}", rungs=rungs)

    trials = [
        trial(0, 10.0, Rung(3, 50.0, 1), Rung(9, 20.0, 4)),
        trial(1, 10.0, Rung(3, 60.0, 2)),
        trial(2, 10.0, Rung(3, 40.0, 3), Rung(9, 10.0, 5)),
    ]
    bounds = Bounds((0.0, 0.0), (100.0, 2.0))
    course = delivered(trials, {"r0": 22.0, "r2": 30.0}, 9, bounds)
    # spent: 3 + 3 + 3 + 6 + 6 epochs = 21 of 45 at the first budget: both are complete; the better score is taken
    assert course.error_percent[0] == 30.0
    assert course.hypervolume[0] == pytest.approx(0.7 * 0.5)
    assert delivered(trials[1:2], {}, 9, bounds).error_percent[0] is None


def comparison(better: float, error: float = 0.0) -> SearchComparison:
    """TPE above random search by `better` in hypervolume, worse by `error` points; halving twice as fast as full."""
    generator = np.random.default_rng(1)

    def courses(lift: float, points: float, speed: float) -> tuple[Course, ...]:
        return tuple(
            Course(
                tuple(0.5 + 0.3 * (1 - math.exp(-speed * b / 30)) + lift + 0.01 * generator.normal() for b in BUDGETS),
                tuple(12.0 + points + 0.1 * generator.normal() for _ in BUDGETS),
                100,
            )
            for _ in range(30)
        )

    lifts: list[tuple[str, float, float]] = [("tpe", better, error), ("random", 0.0, 0.0)]
    arms = {
        Arm(name, halving).name: courses(lift, points, 2.0 if halving else 1.0)
        for name, lift, points in lifts
        for halving in (True, False)
    }
    return SearchComparison(
        schema="search-comparison/1",
        table_sha256="",
        budgets=BUDGETS,
        networks=60,
        rank_correlation=0.9,
        courses={TWO: arms, ONE: arms},
        hardware={},
        versions={},
        finished_at="",
    )


def test_auto_is_the_best_sampler_of_a_kind_unless_it_is_worse_than_random_somewhere() -> None:
    for halving in (True, False):
        assert auto(comparison(0.05, error=0.5), TWO, halving) == "tpe"
        assert auto(comparison(0.05, error=0.5), ONE, halving) == "random"
        assert auto(comparison(-0.05, error=-0.5), TWO, halving) == "random"
        assert auto(comparison(-0.05, error=-0.5), ONE, halving) == "tpe"
    assert worse_than_random(comparison(-0.05), "tpe", TWO) and not worse_than_random(comparison(-0.05), "tpe", ONE)


def test_a_sampler_that_is_better_on_the_whole_but_worse_at_one_budget_is_not_auto() -> None:
    found = comparison(0.05)
    worse = tuple(
        replace(course, hypervolume=(*course.hypervolume[:-1], course.hypervolume[-1] - 0.2))
        for course in found.courses[TWO]["tpe, halving"]
    )
    dented = replace(found, courses={**found.courses, TWO: {**found.courses[TWO], "tpe, halving": worse}})
    assert auto(found) == "tpe" and auto(dented) == "random"


def test_the_share_of_compute_that_halving_takes_has_its_interval() -> None:
    share = compute_share(comparison(0.0), "random")
    assert share is not None and share[1] < 0.5 < share[2]
    slow = comparison(0.0)
    halving, full = slow.courses[TWO]["random, halving"], slow.courses[TWO]["random, full"]
    swapped = {TWO: {"random, halving": full, "random, full": halving}}
    assert compute_share(replace(slow, courses=swapped), "random") is None


def test_the_summary_names_every_arm_and_what_a_difference_favours() -> None:
    found = comparison(0.05)
    assert all(f"| {label_of(name)} |" in tabulate(found) for name in found.courses[TWO])
    told = summary(found)
    assert told.startswith("`auto` is tpe for error and MACs with halving; tpe")
    assert re.search(r"\| tpe, halving \| random, halving \| hypervolume \| \+0.0[45]\d \| .* \| the first \|\n", told)
    assert "Shown to be worse than random search at some budget: no sampler." in told
    assert "Shown to be worse than random search at some budget: tpe (" in summary(comparison(-0.05))


def test_rank_correlations_are_of_networks_trained_both_ways(table: PopulationTable) -> None:
    curves = {network.number: [error - 5 for error in network.errors["0"]] for network in table.networks[:12]}
    trained = tuple(FullTraining(number, (*curve, curve[-1] - 1), "float32") for number, curve in curves.items())
    full = FullTrainings(FULL_RECIPE, 50_000, trained, (), {}, "", planned=12)
    found = {(item.cheap, item.dear): item for item in rank_correlations(table, full)}
    assert found["1 epoch of 9, short", "short"].n == 60
    assert found["short", "short, another seed"].n == 20 and found["short", "short, another seed"].value > 0.9
    exact = found["short", "full"]
    assert exact.n == 12 and exact.value == pytest.approx(1.0)
    assert exact.share == pytest.approx(9 * 640 / (10 * 50_000))
    fewer = rank_correlations(table, replace(full, networks=trained[:11]))
    assert not any(item.dear == "full" for item in fewer)  # nothing is told before all that are planned are there
    assert found["9 epochs of 10, full", "full"].share == pytest.approx(0.9)
    assert all(f"| {item.cheap} | {item.dear} |" in tabulate_fidelity(list(found.values())) for item in found.values())


def test_auto_is_what_the_published_comparison_shows() -> None:
    published = read_record(SearchComparison, Path(__file__).parents[2] / "reports/published/benchmarks/search.json")
    assert {
        SearchKind(objectives == TWO, halving): auto(published, objectives, halving) for objectives, halving in KINDS
    } == AUTO
    assert published.first_seed == FIRST_SEED, "the rule was made on other seeds than it is applied to"
    assert published.table_sha256 == sha256_file(Path(__file__).parents[2] / "reports/published/population/table.json")
