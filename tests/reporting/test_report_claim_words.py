"""Verdicts in words: rules with their numbers, and what would change a verdict."""

from dataclasses import replace

import pytest

from pipeline.claims.parts import AnalyticPart, EmpiricalPart, PopulationPart, Relation
from pipeline.claims.verdicts import FigureVerdict, PartVerdict, Verdict
from pipeline.reporting.claims import words
from pipeline.reporting.claims.view import PartView

PART = EmpiricalPart(
    kind="empirical",
    measure="m",
    experiment="e",
    of="validation error",
    contrast={"a": 1, "b": -1},
    expect="lower",
    smallest=0.5,
    unit="points",
)
FOUND = PartVerdict(
    "empirical", "m", "holds", -2.0, "points", (-2.5, -1.5), 5, "", expected="lower", smallest=0.5, p_value=0.001
)


@pytest.mark.parametrize(
    ("changed", "verdict", "interval", "needed", "told"),
    [
        ({}, "holds", (-2.5, -1.5), None, "An effect nearer to 0: the interval ends 1.50 points from it."),
        ({}, "contradicted", (0.1, 1.5), None, "0.10 points from it. It reaches into the margin"),
        ({}, "not testable here", None, None, "Evidence from a GPU: convstudy experiment e --profile gpu."),
        ({}, "equivalent", (-0.2, 0.3), None, "the interval ends 0.20 points inside the margin."),
        ({}, "equivalent", (-0.2, 0.55), None, "More spread: the one-sided tests place it inside the margin"),
        ({}, "undecided", (-1.0, 0.3), 23, "23 seeds would find an effect of 0.5 points with a probability of 80 %."),
        ({}, "undecided", (-1.0, 0.3), 4, "5 seeds are enough to find an effect of 0.5 points"),
        ({}, "undecided", (-1.0, 0.3), None, "no feasible number of seeds is enough"),
        ({}, "undecided", None, None, "Evidence; there is none yet: convstudy experiment e."),
        ({"expect": "not higher"}, "holds", (-9.0, 0.1), None, "ends 0.40 points inside the margin."),
        ({"expect": "equal"}, "holds", (-0.1, 0.1), None, "ends 0.40 points inside the margin."),
        ({"expect": "not higher"}, "contradicted", (0.58, 0.97), None, "ends 0.08 points beyond the margin."),
        ({"expect": "equal"}, "contradicted", (-1.5, -0.7), None, "ends 0.20 points beyond the margin."),
        ({"expect": "equal"}, "contradicted", (-1.5, -0.4), None, "although the interval reaches into it."),
        ({"scale": "ratio", "smallest": 2.0}, "holds", (0.1, 0.25), None, "ends a factor of 4.00 from it."),
    ],
)
def test_what_would_change_a_verdict(
    changed: dict[str, object], verdict: Verdict, interval: tuple[float, float] | None, needed: int | None, told: str
) -> None:
    effect = None if interval is None else sum(interval) / 2
    found = replace(FOUND, verdict=verdict, effect=effect, interval=interval, seeds_needed=needed)
    found = replace(found, may_be_small=interval == (0.1, 1.5))
    part = replace(PART, **changed)  # type: ignore[arg-type]
    assert told in words.would_change(part, found)
    assert words.rule_of(part).startswith("Holds if the effect is shown to")


def test_a_probability_is_told_without_a_unit_behind_it() -> None:
    part = PopulationPart("population", "m", "e", "a", "b", "equal")
    found = replace(FOUND, effect=0.53, interval=(0.47, 0.59), unit="probability", against=0.5, smallest=0.1)
    view = PartView(part, found, None)
    assert (view.effect, view.interval, view.repeats) == (
        "probability 0.53", "0.47 to 0.59", "5 networks of each population",
    )  # fmt: skip
    assert "within 0.15 of 0.5" in view.rule and "0.06 inside the margin" in view.would_change


def test_calculated_figures_are_told_by_the_first_that_is_wrong() -> None:
    part = AnalyticPart("analytic", "m", "c", {"a": Relation(equals=1), "b": Relation(above=2)})
    figures = (FigureVerdict("a", 1, "1", True), FigureVerdict("b", 1.5, "above 2", False))
    view = PartView(part, PartVerdict("analytic", "m", "holds in part", 1, "", None, None, "", figures), None)
    assert view.main_figure == figures[1] and view.figures_confirmed == "1 of 2 figures confirmed"
