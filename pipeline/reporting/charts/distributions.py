"""Charts of claims about populations: distributions of errors, and errors of the same networks trained in two ways."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from pipeline.claims.estimates import population_errors
from pipeline.claims.parts import RankingPart
from pipeline.evidence.population import Pairs
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.statistics import edf_half_width
from pipeline.reporting.charts.chart import Figure, specification, vega_axis, vega_scale
from pipeline.reporting.charts.layout import scale_of
from pipeline.reporting.formatting import listing, number, shorten

_DISTRIBUTION_PX, _SCATTER_PX = 240, 280


@dataclass(frozen=True)
class _Population:
    """`errors`: in percent, ascending, without failed trainings."""

    name: str
    errors: tuple[float, ...]
    failed: int

    @property
    def count(self) -> int:
        """Number of networks, including failed ones."""
        return len(self.errors) + self.failed

    @property
    def median(self) -> float:
        """The lower median of the errors; infinite if more than half of the networks failed."""
        index = (self.count - 1) // 2
        return self.errors[index] if index < len(self.errors) else math.inf


def distribution_figure(key: str, names: Sequence[str], record: GroupRecord) -> Figure | None:
    """Empirical distribution functions (EDF) of the populations' errors, each with a simultaneous 95 % band.

    Source of the EDF as a description of a design space: Radosavovic et al. (2019, 2020).
    """
    populations = []
    for name in names:
        errors = population_errors(record, name)
        finite = tuple(sorted(error for error in errors if math.isfinite(error)))
        if finite:
            populations.append(_Population(name, finite, len(errors) - len(finite)))
    if not populations:
        return None
    rows = [row for population in populations for row in _distribution(population)]
    drawn = [population.name for population in populations]
    x_scale = scale_of([row["x"] for row in rows], log=False)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=drawn), legend=alt.Legend(symbolOpacity=1))
    base = alt.Chart(alt.NamedData(name="rows")).encode(
        alt.X("x:Q", title="validation error (%)", scale=vega_scale(x_scale), axis=vega_axis(x_scale)),
        alt.Y("y:Q", title="share of networks", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        colour,
    )
    layers = (
        base.mark_area(opacity=0.2, interpolate="step-after", aria=False).encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        base.mark_line(interpolate="step-after", strokeWidth=2, aria=False),
        base.mark_point(shape="circle", size=160, filled=True, opacity=0).encode(
            description=alt.Description("told:N"),
            tooltip=[alt.Tooltip("kind:N", title="title"), alt.Tooltip("told:N", title="validation error")],
        ),
    )
    described = [f"{p.name}: {p.count} networks, {_half(p)}" for p in populations]
    return Figure(
        kind="scatter",
        identifier=key,
        title=f"Errors of the networks of {listing(drawn)}",
        specifications=(specification(alt.layer(*layers), _DISTRIBUTION_PX),),
        rows=tuple(rows),
        omitted=tuple(f"{p.failed} of {p.name} that failed" for p in populations if p.failed),
        description=f"Share of networks against validation error. {'; '.join(described)}",
    )


def _half(population: _Population) -> str:
    if math.isfinite(population.median):
        return f"half have at most {number(population.median)} %"
    return "more than half failed"


def _distribution(population: _Population) -> list[dict[str, Any]]:
    count = population.count
    half = edf_half_width(count)
    return [
        {
            "kind": population.name,
            "x": error,
            "y": index / count,
            "low": max(0.0, index / count - half),
            "high": min(1.0, index / count + half),
            "told": f"{index / count:.0%} of networks: at most {number(error)} %",
        }
        for index, error in enumerate(population.errors, start=1)
    ]


def ranking_figure(key: str, part: RankingPart, pairs: Pairs) -> Figure:
    """One point per network: its error after the cheap training, and after the expensive one."""
    rows = [{"x": cheap, "y": dear, "told": f"{number(cheap)} %, then {number(dear)} %"} for cheap, dear in pairs]
    x_scale, y_scale = scale_of([cheap for cheap, _ in pairs]), scale_of([dear for _, dear in pairs])
    base = alt.Chart(alt.NamedData(name="rows")).encode(
        alt.X("x:Q", title=f"error (%), {part.cheap}", scale=vega_scale(x_scale), axis=vega_axis(x_scale)),
        alt.Y("y:Q", title=f"error (%), {part.dear}", scale=vega_scale(y_scale), axis=vega_axis(y_scale)),
    )
    points = base.mark_point(style="seed", shape="circle", size=30).encode(
        description=alt.Description("told:N"), tooltip=[alt.Tooltip("told:N", title="errors")]
    )
    title = f"{part.dear} against {part.cheap}"
    return Figure(
        kind="scatter",
        identifier=key,
        title=f"Errors of networks: {shorten(title, 80)}",
        specifications=(specification(alt.layer(points), _SCATTER_PX),),
        rows=tuple(rows),
        description=f"Validation errors of {len(rows)} networks trained in two ways: {title}",
    )
