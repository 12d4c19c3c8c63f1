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
        ({}, "holds", (-2.5, -1.5), None, "An interval that reaches 0. Distance: 1.50 points."),
        ({}, "contradicted", (0.1, 1.5), None, "An interval that reaches 0. Distance: 0.10 points."),
        ({}, "not testable here", None, None, "Evidence from a GPU: convstudy experiment e --profile gpu."),
        ({}, "equivalent", (-0.2, 0.3), None, "reaches the end of the margin. Distance: 0.20 points."),
        ({}, "equivalent", (-0.2, 0.55), None, "More spread: the one-sided tests place it inside the margin"),
        ({}, "undecided", (-1.0, 0.3), 23, "23 seeds would find an effect of 0.5 points with a probability of 80 %."),
        ({}, "undecided", (-1.0, 0.3), 4, "5 seeds are enough to find an effect of 0.5 points"),
        ({}, "undecided", (-1.0, 0.3), None, "no feasible number of seeds is enough"),
        ({}, "undecided", None, None, "Evidence; there is none yet: convstudy experiment e."),
        ({"expect": "not higher"}, "holds", (-9.0, 0.1), None, "reaches the end of the margin. Distance: 0.40 points."),
        ({"expect": "equal"}, "holds", (-0.1, 0.1), None, "reaches the end of the margin. Distance: 0.40 points."),
        (
            {"expect": "not higher"},
            "contradicted",
            (0.58, 0.97),
            None,
            "reaches into the margin. Distance: 0.08 points.",
        ),
        ({"expect": "equal"}, "contradicted", (-1.5, -0.7), None, "reaches into the margin. Distance: 0.20 points."),
        ({"expect": "equal"}, "contradicted", (-1.5, -0.4), None, "although the interval reaches into it."),
        (
            {"scale": "ratio", "smallest": 2.0},
            "holds",
            (0.1, 0.25),
            None,
            "An interval that reaches 1. Distance: a factor of 4.00.",
        ),
    ],
)
def test_what_would_change_a_verdict(
    changed: dict[str, object], verdict: Verdict, interval: tuple[float, float] | None, needed: int | None, told: str
) -> None:
    effect = None if interval is None else sum(interval) / 2
    found = replace(FOUND, verdict=verdict, effect=effect, interval=interval, seeds_needed=needed)
    part = replace(PART, **changed)  # type: ignore[arg-type]
    assert told in words.would_change(part, found)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, "difference (below 0 expected, margin 0.5 points)"),
        ({"expect": "higher", "against": 10.0}, "difference (above 10 expected, margin 0.5 points)"),
        ({"expect": "equal"}, "equality (margin 0.5 points around 0)"),
        ({"expect": "not higher", "scale": "ratio", "smallest": 1.1}, "not higher (margin a factor of 1.1 above 1)"),
    ],
)
def test_a_rule_is_told_by_its_name_and_numbers(changed: dict[str, object], rule: str) -> None:
    assert words.rule_of(replace(PART, **changed)) == rule  # type: ignore[arg-type]


def test_notes_tell_the_claimed_value_the_margin_and_weak_evidence() -> None:
    assert FOUND.notes == ()
    few = replace(FOUND, n=3, may_be_small=True, against=4, expected="lower")
    assert few.notes == (
        "claimed: below 4 points",
        "the interval includes effects below the smallest of interest, 0.5 points",
        "too few repeats for a useful interval",
    )
    assert replace(FOUND, expected="not higher").notes == ("test of “not higher”, margin 0.5 points",)


def test_a_probability_is_told_without_a_unit_behind_it() -> None:
    part = PopulationPart("population", "m", "e", "a", "b", "equal")
    found = replace(FOUND, effect=0.53, interval=(0.47, 0.59), unit="probability", against=0.5, smallest=0.1)
    view = PartView(part, found, None)
    assert (view.effect, view.interval, view.repeats) == (
        "probability 0.53", "0.47 to 0.59", "5 networks of each population",
    )  # fmt: skip
    assert view.rule == "equality (margin 0.15 around 0.5), and Smirnov's test"
    assert "Distance: 0.06." in view.would_change


def test_calculated_figures_are_told_by_the_first_that_is_wrong() -> None:
    part = AnalyticPart("analytic", "m", "c", {"a": Relation(equals=1), "b": Relation(above=2)})
    figures = (FigureVerdict("a", 1, "1", True), FigureVerdict("b", 1.5, "above 2", False))
    view = PartView(part, PartVerdict("analytic", "m", "holds in part", 1, "", None, None, "", figures), None)
    assert view.main_figure == figures[1] and view.figures_confirmed == "1 of 2 numbers confirmed"
