"""Charts of a search: front with references, lowest error against compute, EDF, and parallel coordinates."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

import search_spaces
from pipeline.cost.table import Cost
from pipeline.evidence.records import Interval
from pipeline.evidence.statistics import edf_half_width
from pipeline.reporting.charts.chart import Figure, specification, vega_axis, vega_scale
from pipeline.reporting.charts.layout import scale_of
from pipeline.reporting.formatting import decimals, quantity, sentence, shorten
from pipeline.reporting.searches.view import StudyView

HEIGHT, LOW_HEIGHT = 300, 220
FEWEST_FOR_EDF = 8
ROOM_AT_LEFT = 0.6
NOTED_SHARES = (0.1, 0.5, 0.9)
_KINDS = ("trained in the search", "front of the search", "front, retrained", "reference", "random search")
_SHAPES = ("circle", "diamond", "square", "triangle-up", "cross")


def study_figures(view: StudyView) -> tuple[Figure, ...]:
    """All figures of a study that have data."""
    drawn = (front_figure(view), course_figure(view), edf_figure(view), parallel_figure(view))
    return tuple(figure for figure in drawn if figure is not None)


def front_figure(view: StudyView) -> Figure | None:
    """Validation error against the minimised cost: networks trained in full, the front, and its baselines.

    Baselines are drawn only if the cost is MACs: their other costs are not known.
    """
    record, cost, title = view.record, view.cost, view.cost.noun
    rows = [
        _row(order, f"trial {trial.number}", trial.costs[cost.key], trial.errors[-1], cost)
        for order, trials in enumerate((record.complete, record.front_trials))
        for trial in trials
    ]
    if not rows:
        return None
    by_number = record.by_number
    for member in view.members:
        if member.validation_error_percent is not None:
            value, name = by_number[member.trial].costs[cost.key], f"trial {member.trial}, retrained"
            rows.append(_measured(2, name, value, member.validation_error_percent, cost))
    named = {"reference": 3, "random search": 4} if cost.key == "macs" else {}
    drawn: set[str] = set()
    for member in view.members:
        for item in view.comparisons(member.trial):
            if item.against in named and item.name not in drawn and item.validation_error_percent is not None:
                drawn.add(item.name)
                label = item.name if item.against == "reference" else f"random search, {item.name}"
                rows.append(_measured(named[item.against], label, item.macs, item.validation_error_percent, cost))
    x_scale = scale_of([row["x"] for row in rows], log=True)
    y_scale = scale_of([value for row in rows for value in (row["y"], row["low"], row["high"]) if value is not None])
    for row in rows:  # put the label on the side with more room
        row["right"] = x_scale.fraction(row["x"]) > ROOM_AT_LEFT
    present = [kind for kind in _KINDS if any(row["kind"] == kind for row in rows)]
    legend = alt.Legend(values=present, columns=3)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=list(_KINDS)), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(_KINDS), range=list(_SHAPES)), legend=legend)
    base = alt.Chart(alt.NamedData(name="rows")).encode(
        alt.X("x:Q", title=title, scale=vega_scale(x_scale), axis=vega_axis(x_scale, "~s")),
        alt.Y("y:Q", title="validation error (%)", scale=vega_scale(y_scale), axis=vega_axis(y_scale)),
    )
    layers = (
        base.transform_filter("datum.order === 1").mark_line(style="front", interpolate="step-after", aria=False),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(style="interval", clip=True, aria=False)
        .encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        base.transform_filter("datum.order === 0").mark_point(size=26, opacity=0.45, aria=False).encode(colour, shape),
        base.transform_filter("datum.order > 0")
        .mark_point(size=80, strokeWidth=1.6, filled=True, opacity=1, aria=False)
        .encode(colour, shape),
        *(
            base.transform_filter(f"datum.order > 2 && datum.right === {str(right).lower()}")
            .mark_text(style="label", align="right" if right else "left", dx=-9 if right else 9, aria=False)
            .encode(alt.Text("name:N"))
            for right in (False, True)
        ),
        _pointed(base, "error:N", "validation error", title),
    )
    standing = {1: ", on the front", 3: ", a reference"}
    notes = [f"{r['name']}{standing.get(r['order'], '')}: {r['error']} at {r['cost']}" for r in rows if r["order"]]
    return _figure(view, "front", f"Error against {title}: the front and its baselines", layers, rows, HEIGHT, notes)


def course_figure(view: StudyView) -> Figure | None:
    """The lowest error so far against training images seen; also of the random search of equal compute, if any."""
    courses = [("search", view.course())]
    if view.finalists and view.finalists.random_course:
        courses.append(("random search", list(view.finalists.random_course)))
    rows = [
        {"kind": kind, "x": seen, "y": error, "name": kind, "error": f"{decimals(error)} %", "cost": quantity(seen)}
        for kind, course in courses
        for seen, error in course
    ]
    if not rows:
        return None
    x_scale = scale_of([seen for _, course in courses for seen, _ in course], log=False)
    y_scale = scale_of([error for _, course in courses for _, error in course], log=False)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=["search", "random search"]))
    base = alt.Chart(alt.NamedData(name="rows")).encode(
        alt.X("x:Q", title="training images seen", scale=vega_scale(x_scale), axis=vega_axis(x_scale, "~s")),
        alt.Y("y:Q", title="lowest validation error (%)", scale=vega_scale(y_scale), axis=vega_axis(y_scale)),
    )
    layers = (
        base.mark_line(interpolate="step-after", strokeWidth=2, aria=False).encode(colour),
        _pointed(base, "error:N", "lowest error so far", "training images seen"),
    )
    notes = [
        f"{kind}: from {decimals(course[0][1])} % to {decimals(course[-1][1])} % after {quantity(course[-1][0])} images"
        for kind, course in courses
        if course
    ]
    return _figure(view, "course", "Lowest validation error against compute", layers, rows, LOW_HEIGHT, notes)


def edf_figure(view: StudyView) -> Figure | None:
    """Empirical distribution function (EDF) of the errors of random networks, with a simultaneous 95 % band.

    Uses errors at the first rung: later rungs hold only networks selected by error. A network that diverged before the
    first rung counts as worse than all others.
    Source of the EDF as a description of a design space: Radosavovic et al. (2019, 2020).
    """
    begun = [trial.rungs[0] for trial in view.uniform if trial.rungs]
    errors, count = sorted(rung.validation_error_percent for rung in begun), len(view.uniform)
    if len(errors) < FEWEST_FOR_EDF:
        return None
    half = edf_half_width(count)
    rows = [
        {
            "x": error,
            "y": share,
            "low": max(0.0, share - half),
            "high": min(1.0, share + half),
            "name": f"{share:.0%} of networks",
            "error": f"at most {decimals(error)} %",
            "cost": "",
        }
        for index, error in enumerate(errors, start=1)
        for share in (index / count,)
    ]
    x_scale = scale_of(errors, log=False)
    share_axis = alt.Y("y:Q", title="share of networks", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    base = alt.Chart(alt.NamedData(name="rows")).encode(
        alt.X("x:Q", title="validation error (%)", scale=vega_scale(x_scale), axis=vega_axis(x_scale)), share_axis
    )
    layers = (
        base.mark_area(opacity=0.25, interpolate="step-after", aria=False).encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        base.mark_line(interpolate="step-after", strokeWidth=2, aria=False),
        _pointed(base, "error:N", "error", ""),
    )
    epochs = begun[0].epochs
    after = f"after {epochs} {'epoch' if epochs == 1 else 'epochs'}"
    diverged = f"; {count - len(errors)} diverged" if count > len(errors) else ""
    title = f"Errors {after} of {count} networks drawn at random within the limits{diverged}"
    notes = [f"{share:.0%} of networks have at most {decimals(np.quantile(errors, share))} %" for share in NOTED_SHARES]
    return _figure(view, "edf", title, layers, rows, LOW_HEIGHT, notes if count == len(errors) else ())


def parallel_figure(view: StudyView) -> Figure | None:
    """Parallel coordinates: one line per network trained in full; the best quarter is in colour."""
    complete = view.record.complete
    if len(complete) < FEWEST_FOR_EDF or not view.has_its_space:
        return None
    space, mixed = search_spaces.space(view.record.space), len(view.record.space) > 1
    parameters = [p for p in space.parameters if len(p.values) > 1]
    ranked = sorted(complete, key=lambda trial: trial.errors[-1])
    best = {trial.number for trial in ranked[: max(1, len(ranked) // 4)]}
    rows = [
        {
            "x": parameter.name if mixed else parameter.name.partition(".")[2] or parameter.name,
            "place": index,
            "y": parameter.values.index(trial.values[parameter.name]) / (len(parameter.values) - 1),
            "trial": trial.number,
            "kind": "best quarter" if trial.number in best else "others",
            "name": f"trial {trial.number}",
            "error": f"{decimals(trial.errors[-1])} %",
            "cost": shorten(str(trial.values[parameter.name]), 40),
        }
        for trial in complete
        for index, parameter in enumerate(parameters)
        if parameter.name in space.asked(trial.values)
    ]
    base = alt.Chart(alt.NamedData(name="rows")).encode(
        alt.X("x:N", title=None, sort=alt.SortField("place"), axis=alt.Axis(labelAngle=-35)),
        alt.Y(
            "y:Q", title="first to last value", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 1], format="d")
        ),
        detail="trial:N",
    )
    colour = alt.Color("kind:N", scale=alt.Scale(domain=["best quarter", "others"]))
    layers = (
        base.transform_filter("datum.kind === 'others'").mark_line(style="context", aria=False),
        base.transform_filter("datum.kind !== 'others'").mark_line(strokeWidth=1.6, aria=False).encode(colour),
        _pointed(base, "error:N", "validation error", "value"),
    )
    notes = [
        f"the best {len(best)} of {len(complete)} networks are in colour; the text below lists their common values"
    ]
    return _figure(view, "parallel", "Parameters of the networks trained in full", layers, rows, LOW_HEIGHT, notes)


def _row(order: int, name: str, value: float, error: float, cost: Cost) -> dict[str, Any]:
    return {
        "order": order,
        "kind": _KINDS[order],
        "name": shorten(name, 60),
        "x": value,
        "y": error,
        "low": None,
        "high": None,
        "error": f"{decimals(error)} %",
        "cost": cost.unit.show(value),
    }


def _measured(order: int, name: str, value: float, error: Interval, cost: Cost) -> dict[str, Any]:
    low, high = error.interval or (None, None)
    return {
        **_row(order, name, value, error.mean, cost),
        "low": low,
        "high": high,
        "error": f"{decimals(error.mean)} % (n = {error.n})",
    }


def _pointed(base: alt.Chart, error: str, title: str, cost: str) -> alt.Chart:
    """Invisible points that carry the tooltips."""
    tooltip = [
        alt.Tooltip("name:N", title="title"),
        alt.Tooltip(error, title=title),
        alt.Tooltip("cost:N", title=cost),
    ]
    pointed: alt.Chart = base.mark_point(shape="circle", size=300, filled=True, opacity=0).encode(
        description=alt.Description("told:N"), tooltip=tooltip
    )
    return pointed


def _figure(
    view: StudyView,
    what: str,
    title: str,
    layers: Sequence[alt.Chart],
    rows: Sequence[dict[str, Any]],
    height: int,
    notes: Sequence[str],
) -> Figure:
    """A figure of a study; `notes` describe what it shows."""
    return Figure(
        kind="scatter",
        identifier=f"{view.anchor}-{what}",
        title=title,
        specifications=(specification(alt.layer(*layers), height),),
        rows=tuple(
            {**row, "told": f"{row['name']}: {', '.join(filter(None, (row['error'], row['cost'])))}"} for row in rows
        ),
        description=". ".join(filter(None, (title, sentence("; ".join(notes))))),
    )
