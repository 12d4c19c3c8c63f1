"""Verdicts in words: the effect, the decision rule, and what would change the verdict."""

import math

from pipeline.claims.estimates import margin_of, null_of, scaled, unscaled
from pipeline.claims.inference import POWER
from pipeline.claims.parts import (
    AnalyticPart,
    EmpiricalPart,
    EstimatedPart,
    Part,
    PopulationPart,
    RankingPart,
    TimedPart,
)
from pipeline.claims.verdicts import Aside, FigureVerdict, PartVerdict
from pipeline.reporting.formatting import factor, listing, measured, number


def effect_of(part: Part, verdict: PartVerdict) -> str:
    """The effect: "−0.62 points", "16 times"; "no evidence yet" if there is none."""
    if verdict.effect is None:
        return "no evidence yet"
    if isinstance(part, AnalyticPart):
        return f"{number(verdict.effect)} {verdict.unit}".strip()
    value = _value(part, verdict.effect)
    named = isinstance(part, PopulationPart | RankingPart)
    return f"{verdict.unit} {value}" if named else f"{value} {verdict.unit}"


def interval_of(part: Part, verdict: PartVerdict) -> str:
    """The interval of an estimated part: "−0.90 to −0.34"; empty if there is none."""
    if isinstance(part, AnalyticPart) or verdict.interval is None:
        return ""
    low, high = verdict.interval
    return f"{_value(part, low)} to {_value(part, high)}"


def aside_of(aside: Aside) -> str:
    """A figure for information, with its interval and number of repeats, if it has them."""
    if aside.effect is None:
        return "no evidence yet"
    if aside.interval is None:
        return f"{number(aside.effect)} {aside.unit}".strip()
    low, high = aside.interval
    return f"{number(aside.effect)} {aside.unit} ({number(low)} to {number(high)}, n = {aside.n})"


def half_width_of(part: Part, verdict: PartVerdict) -> str:
    """Half the width of an interval: "0.32 points", "a factor of 1.5"; empty if there is none."""
    half = half_width(part, verdict)
    return "" if half is None or isinstance(part, AnalyticPart) else _distance(part, half)


def half_width(part: Part, verdict: PartVerdict) -> float | None:
    """Half the width of an interval, on the scale of the analysis."""
    if isinstance(part, AnalyticPart) or verdict.interval is None:
        return None
    low, high = (scaled(part.scale, end) for end in verdict.interval)
    return (high - low) / 2


def smallest_of(part: EstimatedPart) -> str:
    """The smallest effect of interest: "0.5 points", "a factor of 2"."""
    return f"a factor of {part.smallest:g}" if part.scale == "ratio" else f"{part.smallest:g}{_unit(part)}"


def repeats_of(part: Part, verdict: PartVerdict) -> str:
    """The number of repeats: "8 seeds"; empty if there are none."""
    return "" if verdict.n is None else f"{verdict.n} {_repeats(part)}"


def figure_of(verdict: PartVerdict) -> FigureVerdict:
    """The figure that represents a calculated part: the first that disagrees with the source, else the first."""
    return next((figure for figure in verdict.figures if not figure.holds), verdict.figures[0])


def figures_confirmed(verdict: PartVerdict) -> str:
    """How many numbers agree with the source: "2 of 3 numbers confirmed"."""
    right, count = sum(figure.holds for figure in verdict.figures), len(verdict.figures)
    return f"{f'all {count}' if right == count else f'{right} of {count}'} numbers confirmed"


def rule_of(part: Part) -> str:
    """The decision rule of a part, by its name in the report's section on method, with its numbers."""
    if isinstance(part, AnalyticPart):
        return "calculation"
    null, margin = _null(part), f"margin {smallest_of(part)}"
    if part.expect == "equal":
        rule = f"equality ({margin} around {null})"
    elif part.expect == "not higher":
        rule = f"not higher ({margin} above {null})"
    else:
        rule = f"difference ({'below' if part.expect == 'lower' else 'above'} {null} expected, {margin})"
    return f"{rule}, and Smirnov's test" if isinstance(part, PopulationPart) else rule


def would_change(part: Part, verdict: PartVerdict) -> str:
    """What would change the verdict."""
    if isinstance(part, AnalyticPart):
        return _other_figures(verdict)
    if verdict.verdict == "not testable here":
        return f"Evidence from a GPU: {_source(part)} --profile gpu."
    if verdict.effect is None or verdict.interval is None:
        return f"Evidence; there is none yet: {_source(part)}."
    if verdict.verdict == "undecided":
        if verdict.seeds_needed is None:
            return f"Other evidence: at this spread no feasible number of {_repeats(part)} is enough."
        chance = f"with a probability of {100 * POWER:g} %"
        found, other = f"an effect of {smallest_of(part)} {chance}", "A larger effect"
        if part.expect in ("equal", "not higher"):
            found, other = f"{chance} that the effect is smaller than {smallest_of(part)}, if it is", "Another effect"
        if verdict.n is not None and verdict.seeds_needed <= verdict.n:
            return f"{other}, or much more evidence: {verdict.n} {_repeats(part)} are enough to find {found}."
        return f"More evidence: at this spread {verdict.seeds_needed:,} {_repeats(part)} would find {found}."
    if verdict.verdict == "holds in part":
        return "Distributions that agree with the claim at every error."
    null, margin = null_of(part), margin_of(part)
    low, high = (scaled(part.scale, end) for end in verdict.interval)
    within = part.expect in ("equal", "not higher") and verdict.verdict == "holds"
    if within or verdict.verdict == "equivalent":
        below = math.inf if part.expect == "not higher" else low - null + margin
        room = min(below, null + margin - high)
        if room > 0:
            return f"An interval that reaches the end of the margin. Distance: {_distance(part, room)}."
        return "More spread: the one-sided tests place it inside the margin, although the interval reaches beyond."
    if part.expect in ("equal", "not higher"):  # contradicted: the effect lies beyond the margin
        beyond = max(low - null - margin, null - margin - high)
        if beyond > 0:
            return f"An interval that reaches into the margin. Distance: {_distance(part, beyond)}."
        return "More spread: the test places it beyond the margin, although the interval reaches into it."
    nearest = low - null if low > null else null - high
    return f"An interval that reaches {_null(part)}. Distance: {_distance(part, nearest)}."


def _other_figures(verdict: PartVerdict) -> str:
    wrong = [
        f"{figure.name} {figure.said} instead of {number(figure.value)}"
        for figure in verdict.figures
        if not figure.holds
    ]
    if wrong:
        return f"It would hold with {listing(wrong)}."
    return "Only an error in the calculation."


def _source(part: EstimatedPart) -> str:
    match part:
        case TimedPart():
            return f"convstudy experiment {part.timing}"
        case RankingPart():
            return "python -m benchmarks.full_trainings"
        case EmpiricalPart() | PopulationPart():
            return f"convstudy experiment {part.experiment}"


def _repeats(part: Part) -> str:
    match part:
        case TimedPart():
            return "rounds"
        case PopulationPart():
            return "networks of each population"
        case RankingPart():
            return "networks"
        case _:
            return "seeds"


def _value(part: EstimatedPart, value: float) -> str:
    if part.scale == "ratio":
        return factor(value)
    return measured(value, part.smallest, signed=part.against is None)


def _null(part: EstimatedPart) -> str:
    if part.against is None:
        return "1" if part.scale == "ratio" else "0"
    return f"{part.against:g}"


def _unit(part: EstimatedPart) -> str:
    """The unit of a difference; empty for probabilities and correlations."""
    return "" if isinstance(part, PopulationPart | RankingPart) else f" {part.unit}"


def _distance(part: EstimatedPart, distance: float) -> str:
    """A distance on the scale of the analysis, as text on the scale of the effect."""
    if part.scale == "ratio":
        return f"a factor of {factor(unscaled('ratio', distance))}"
    if part.scale == "correlation":
        return f"{measured(distance, part.smallest)} on Fisher's scale"
    return f"{measured(distance, part.smallest)}{_unit(part)}"
