"""The table of costs and limits on them: what every row must hold, what a user types, and how plans write limits."""

from dataclasses import replace

import pytest
from conftest import CHECKOUT

import search_spaces
from pipeline.cost.limits import NO_LIMITS, Limits
from pipeline.cost.table import BYTES, COSTS, COUNT, SECONDS, Conditions, Unit, costs_among, main_cost, objective_names
from pipeline.errors import UsageError
from pipeline.evidence.study_records import SearchPlan
from pipeline.files import read_json
from pipeline.schema import parse, to_json
from pipeline.search.plans import default_name
from search_spaces import Design


@pytest.mark.parametrize("key", COSTS)
def test_every_row_is_counted_or_measured_under_its_own_names(key: str) -> None:
    cost = COSTS[key]
    assert cost.key == key and (cost.count is None) != (cost.measure is None)
    assert [other.option for other in COSTS.values()].count(cost.option) == 1
    assert cost.measure is not None or not cost.is_timed
    assert (cost.name in objective_names()) == cost.is_objective


@pytest.mark.parametrize("key", COSTS)
def test_every_cost_of_lenet_is_positive_and_in_its_unit(key: str) -> None:
    cost, (family, reference) = COSTS[key], search_spaces.reference("lenet")
    if cost.count is not None:
        value: float = cost.count(search_spaces.price(family, reference.config, 28))
    else:
        assert cost.measure is not None
        value = cost.measure(Design(family, reference.config), Conditions(28, 1, 10, 64, "cpu"))
    assert value > 0 and cost.unit.exact(value) == value and isinstance(value, int) == cost.unit.is_whole


def test_objectives_name_their_costs() -> None:
    assert objective_names()[:5] == ["error", "macs", "params", "activations", "latency"]  # a new row comes last
    assert [cost.key for cost in costs_among(("error", "latency", "params"))] == ["latency_seconds", "params"]
    assert main_cost(("error", "latency", "params")).key == "latency_seconds"
    assert main_cost(("error",)).key == "macs"


@pytest.mark.parametrize(
    ("unit", "text", "value", "shown"),
    [
        (COUNT, "500k", 500_000, "500k"),
        (COUNT, "40M", 40_000_000, "40M"),
        (COUNT, "1.5 g", 1_500_000_000, "1.5G"),
        (COUNT, "999", 999, "999"),
        (BYTES, "1048576", 2**20, "1 MiB"),
        (SECONDS, "5ms", 0.005, "5 ms"),
        (SECONDS, "2s", 2.0, "2e+03 ms"),
    ],
)
def test_what_a_user_types_is_read_and_shown(unit: Unit, text: str, value: float, shown: str) -> None:
    assert unit.read(text, "--max") == value and type(unit.read(text, "--max")) is type(value)
    assert unit.show(value) == shown


@pytest.mark.parametrize(
    ("unit", "text", "rule"),
    [
        (COUNT, "40X", r"--max \(=40X\) must be a number, with k, M or G"),
        (COUNT, "-1", "must be a number"),
        (COUNT, "0.4", "must be at least 1"),
        (COUNT, "9" * 400, "must be at least 1 and finite"),
        (SECONDS, "5", "must be a time with its unit, as in 5ms"),
        (SECONDS, "0s", "must be positive"),
    ],
)
def test_what_is_no_value_is_refused_with_its_rule(unit: Unit, text: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        unit.read(text, "--max")


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"mac": 1}, "limits: unknown limit 'mac': did you mean 'macs'"),
        ({"macs": 1234567.5}, r"limit on macs \(=1234567.5\) must be a whole number"),
        ({"macs": 1.5}, r"limit on macs \(=1.5\) must be a whole number"),
        ({"macs": 0}, r"limit on macs \(=0\) must be positive"),
        ({"latency_seconds": float("inf")}, "must be positive and finite"),
        ({"latency_seconds": "5ms"}, r"limits.latency_seconds \(='5ms'\): input should be a valid number"),
    ],
)
def test_impossible_limits_are_refused(limits: dict[str, object], rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        parse(Limits, limits, "limits")


def test_limits_say_by_what_share_costs_are_over_them() -> None:
    limits = Limits(latency_seconds=0.5, macs=100)
    assert limits.excess({"macs": 150, "params": 10}) == {"macs": 0.5}
    assert limits == Limits(macs=100, latency_seconds=0.5, params=None) and NO_LIMITS.given == {}


def test_limits_are_written_with_the_nulls_that_names_of_studies_depend_on() -> None:
    written = to_json(Limits(latency_seconds=1))
    assert list(written.items()) == [
        ("macs", None),
        ("params", None),
        ("activations", None),
        ("latency_seconds", 1.0),
        ("train_memory_bytes", None),
    ]
    assert type(written["latency_seconds"]) is float and parse(Limits, written, "limits") == Limits(latency_seconds=1)


@pytest.mark.parametrize(
    ("objectives", "limits", "name"),
    [
        (("error",), {}, "8748d02e"),
        (("error", "latency"), {"latency_seconds": 0.005}, "3ed02853"),
        (
            ("error", "params", "activations", "latency"),
            {
                "macs": 40_000_000,
                "params": 3_000_000,
                "activations": 1_000_000,
                "latency_seconds": 1.0,
                "train_memory_bytes": 500_000_000,
            },
            "6f68ad1b",
        ),
    ],
)
def test_default_names_of_studies_do_not_change(
    objectives: tuple[str, ...], limits: dict[str, float | None], name: str
) -> None:
    """The same search typed again must find its study: these names were given by earlier versions."""
    record = read_json(CHECKOUT / "reports" / "published" / "quick" / "studies" / "resnet.json")
    plan = parse(SearchPlan, record["plan"], "plan")
    assert to_json(plan) == record["plan"] and default_name(plan) == record["study"]
    assert default_name(replace(plan, objectives=objectives, limits=Limits(limits))) == f"resnet-fashion-mnist-{name}"


@pytest.mark.parametrize("objectives", [["error", "mac"], ["error", "train_memory"], ["macs", "error"]])
def test_plans_with_objectives_that_cannot_be_minimised_are_refused(objectives: list[str]) -> None:
    plan = read_json(CHECKOUT / "reports" / "published" / "quick" / "studies" / "resnet.json")["plan"]
    with pytest.raises(UsageError, match=r"unknown objective|must begin with error"):
        parse(SearchPlan, {**plan, "objectives": objectives}, "plan")
