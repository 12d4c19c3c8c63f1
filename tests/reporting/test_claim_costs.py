"""What the evidence of claims cost, added up and told."""

from dataclasses import replace
from pathlib import Path

import pytest
from claim_records import catalogue, evidence, judged, words

from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.judging import judge
from pipeline.evidence.population import published_full_trainings, published_table
from pipeline.reporting.claims.costs import costs_of
from pipeline.reporting.claims.view import claims_view
from pipeline.reporting.rendering import render_html, render_markdown
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[2]


def test_costs_add_up() -> None:
    claims = judged(())
    kernels, spaces = claims.costs.experiments
    assert (kernels.trainings, kernels.failed, kernels.seeds) == (10, 0, (1, 2, 3, 4, 5)) and spaces.failed == 1
    assert kernels.core_hours == pytest.approx(10 * (1800 + 180) / 3600) and kernels.card_hours == 0
    assert kernels.budget == catalogue().experiments["kernels"].sizes["quick"].core_hours
    assert spaces.trainings == 17
    assert claims.costs.timings[0].rounds == 4
    assert "27 trainings in 2 experiments" in words(render_html((), (), claims))


def test_a_training_that_experiments_share_counts_once() -> None:
    record = evidence().experiments["kernels"]
    experiments = {"kernels": catalogue().experiments["kernels"], "again": catalogue().experiments["kernels"]}
    costs = costs_of(ClaimRecords({"kernels": record, "again": record}), (), experiments)
    assert [cost.trainings for cost in costs.experiments] == [10, 10] and costs.trainings == 10
    assert costs.core_hours == costs.core_hours_of_all == costs.experiments[0].core_hours > costs.card_hours == 0


def test_hours_on_a_card_are_no_core_hours() -> None:
    found = evidence()
    kernels = found.experiments["kernels"]
    networks = tuple(
        replace(
            network,
            runs=tuple(
                replace(run, measurement=replace(run.measurement, hardware={"gpu": "NVIDIA H200"}))
                for run in network.runs
                if run.measurement is not None
            ),
        )
        for network in kernels.networks
    )
    found = replace(found, experiments={**found.experiments, "kernels": replace(kernels, networks=networks)})
    view = claims_view(catalogue(), judge(catalogue(), found), found, (), None, "")
    on_card, on_cpu = view.costs.experiments
    assert on_card.core_hours == on_cpu.card_hours == 0
    assert view.costs.card_hours == on_card.card_hours == pytest.approx(10 * (1800 + 180) / 3600)
    assert view.costs.core_hours == on_cpu.core_hours > 0
    for text in (words(render_html((), (), view)), render_markdown((), (), view)):
        assert "hours on a shared GPU" in text and "ours on a GPU" in text


def test_the_population_is_part_of_what_it_cost() -> None:
    table, full = published_table(Workspace(CHECKOUT)), published_full_trainings(Workspace(CHECKOUT))
    assert table is not None and full is not None
    view = claims_view(catalogue(), judge(catalogue(), evidence()), evidence(), (), None, "", (table, full))
    cost = view.costs.population
    assert cost is not None and (cost.networks, cost.trainings, cost.in_full) == (253, 313, len(full.networks))
    for text in (words(render_html((), (), view)), render_markdown((), (), view)):
        assert (
            "313 trainings of 253 networks" in text
            and f"{cost.in_full} of these networks were also trained in full" in text
        )
