"""Charts of compared networks: error against each cost, and learning curves.

Names of networks enter a specification only as data and titles, never inside an expression.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import altair as alt

from pipeline.evidence.records import Interval
from pipeline.evidence.statistics import AT_CHANCE_LEVEL
from pipeline.reporting.charts.chart import Figure, family_domain, specification, vega_axis, vega_scale
from pipeline.reporting.charts.layout import AxisScale, Box, place_labels, scale_of
from pipeline.reporting.comparison import Comparison, CostAxis, Network
from pipeline.reporting.formatting import decimals, duration, memory, quantity, shorten, spread

CurveMeasure = Literal["validation_error_percent", "train_loss"]

_SCATTER_HEIGHT, _PANEL_HEIGHT = 300, 110
_LAYOUTS = (("narrow", 262, 380), ("medium", 400, 600), ("wide", 640, None))
"""Label positions are computed for three layouts: name, plot width in pixels, used below this chart width."""
_TIME_UNITS = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def figures_of(comparison: Comparison, prefix: str = "") -> tuple[Figure, ...]:
    """All figures of a comparison that have data. `prefix` makes identifiers of several comparisons unique."""
    figures = [error_against(comparison, axis, prefix) for axis in comparison.axes]
    figures += [learning_curves(comparison, "validation_error_percent", prefix)]
    figures += [learning_curves(comparison, "train_loss", prefix)]
    return tuple(figure for figure in figures if figure is not None)


def error_against(comparison: Comparison, axis: CostAxis, prefix: str = "") -> Figure | None:
    """Error against a cost (logarithmic), with intervals, labels and the Pareto front. None if there are no points."""
    points = _points(comparison, axis)
    if not points:
        return None
    unit, unit_name = _unit(axis, max(point.price for point in points))
    x_scale = scale_of([point.price / unit for point in points], log=True)
    y_scale = scale_of([value for point in points for value in (point.error.mean, *(point.bar or ()))])
    places = _places(points, x_scale, y_scale, unit)
    rows = [
        {
            **_facts(point.network, point.error),
            "x": point.price / unit,
            "y": point.error.mean,
            "low": point.bar[0] if point.bar else None,
            "high": point.bar[1] if point.bar else None,
            "front": point.on_front,
            **position,
        }
        for point, position in zip(points, places, strict=True)
    ]
    drawn = [point.network for point in points]
    title = f"{comparison.measure} error against {axis.noun}".capitalize().replace("macs", "MACs")
    described = [f"{row['name']} {row['error']}{', on the front' if row['front'] else ''}" for row in rows]
    error_axis = alt.Y(
        "y:Q", title=f"{comparison.measure} error (%)", scale=vega_scale(y_scale), axis=vega_axis(y_scale)
    )
    cost_axis = alt.X(
        "x:Q",
        title=f"{axis.noun}{unit_name}",
        scale=vega_scale(x_scale),
        axis=vega_axis(x_scale, None if unit_name else "~s"),
    )
    return Figure(
        kind="scatter",
        identifier=f"{prefix}error-against-{axis.key.replace('_', '-')}",
        title=title,
        specifications=(_scatter(cost_axis, error_axis, drawn, f"{comparison.measure} error"),),
        rows=tuple(rows),
        omitted=tuple(
            f"{network.label} ({_reason(comparison, network, axis)})"
            for network in comparison.networks
            if network not in drawn
        ),
        description=f"{title}, networks on the front first: {'; '.join(described)}",
    )


def learning_curves(comparison: Comparison, measure: CurveMeasure, prefix: str = "") -> Figure | None:
    """One panel per network: mean over seeds, their range as a band, other networks in grey. None without data."""
    rows = [row for index, network in enumerate(comparison.networks) for row in _curve(index, network, measure)]
    if not rows:
        return None
    indices = sorted({row["panel"] for row in rows})
    drawn = {index: comparison.networks[index] for index in indices}
    last = max(row["epoch"] for row in rows)
    x_scale = AxisScale("linear", (min(1, last - 1), last), tuple(sorted({1, (1 + last) // 2, last})))
    y_scale = scale_of([row[key] for row in rows for key in ("low", "high")], ticks=4)
    error = measure == "validation_error_percent"
    noun = "validation error (%)" if error else "training loss (nats)"
    epoch_axis = alt.X("epoch:Q", title=None, scale=vega_scale(x_scale), axis=vega_axis(x_scale, "d"))
    value_axis = alt.Y("mean:Q", title=None, scale=vega_scale(y_scale), axis=vega_axis(y_scale))
    colour = alt.Color("family:N", scale=alt.Scale(domain=family_domain(n.family for n in drawn.values())), legend=None)
    title = "Validation error by epoch (%)" if error else "Training loss by epoch (nats)"
    seen = {index: _seen(rows, index) for index in indices}
    return Figure(
        kind="curves",
        identifier=f"{prefix}learning-curves-{'error' if error else 'loss'}",
        title=title,
        specifications=tuple(
            _panel(index, shorten(network.label, 28), epoch_axis, value_axis, colour, noun)
            | {"description": f"{title}: {seen[index]}"}
            for index, network in drawn.items()
        ),
        rows=tuple(rows),
        omitted=tuple(
            f"{network.label} (no seed completed)"
            for index, network in enumerate(comparison.networks)
            if index not in drawn
        ),
        description=f"{title}: {'; '.join(seen.values())}",
    )


def _seen(rows: Sequence[Mapping[str, Any]], panel: int) -> str:
    """A network's curve in words."""
    own = [row for row in rows if row["panel"] == panel]
    return f"{own[0]['name']} from {own[0]['told']} to {own[-1]['told']} in {own[-1]['epoch']} epochs"


@dataclass(frozen=True)
class _Point:
    """A network in a scatter plot; `bar` is the drawn part of its interval."""

    network: Network
    price: float
    error: Interval
    bar: tuple[float, float] | None
    on_front: bool


def _points(comparison: Comparison, axis: CostAxis) -> list[_Point]:
    """Networks that have both numbers. Those on the front come first, so their labels are placed first.

    Networks at chance level are left out: they would stretch the axis and squeeze the others together.
    """
    learnt = [network for network in comparison.scored if AT_CHANCE_LEVEL not in network.flags]
    means = [error.mean for error in map(comparison.error, learnt) if error]
    front = comparison.front(axis)
    points = []
    for network in learnt:
        price, error = axis.value(network), comparison.error(network)
        if price and error:
            # an interval from two seeds may start at 0 %, which a logarithmic axis cannot show
            bar = error.interval and (max(error.interval[0], min(means) / 2), error.interval[1])
            points.append(_Point(network, price, error, bar, network in front))
    return sorted(points, key=lambda point: not point.on_front)


def _reason(comparison: Comparison, network: Network, axis: CostAxis) -> str:
    """Why a network is not in the scatter plot."""
    if not comparison.error(network):
        return f"no {comparison.measure} error"
    return AT_CHANCE_LEVEL if AT_CHANCE_LEVEL in network.flags else f"no {axis.noun}"


def _unit(axis: CostAxis, largest: float) -> tuple[float, str]:
    """The unit of an axis in units of the cost, and its name on the axis."""
    if axis.key != "train_seconds":
        return 1.0, ""
    return next((size, f" ({name})") for size, name in _TIME_UNITS if largest >= 2 * size or size == 1)


def _places(points: Sequence[_Point], x_scale: AxisScale, y_scale: AxisScale, unit: float) -> list[dict[str, Any]]:
    """For each point the position of its label in every layout, with keys such as "narrow_dx"."""

    def y(value: float) -> float:
        return (1 - y_scale.fraction(value)) * _SCATTER_HEIGHT

    places: list[dict[str, Any]] = [{} for _ in points]
    for layout, width, _ in _LAYOUTS:
        pixels = [(x_scale.fraction(point.price / unit) * width, y(point.error.mean)) for point in points]
        bars = zip(points, pixels, strict=True)
        obstacles: list[Box] = [(x - 1, y(point.bar[1]), x + 1, y(point.bar[0])) for point, (x, _) in bars if point.bar]
        front = sorted(pixel for point, pixel in zip(points, pixels, strict=True) if point.on_front)
        for (left, top), (right, bottom) in pairwise(front):
            obstacles += [(left, top - 1, right, top + 1), (right - 1, top, right + 1, bottom)]
        names = [shorten(point.network.label, 24) for point in points]
        for row, index in zip(places, place_labels(names, pixels, obstacles, width, _SCATTER_HEIGHT), strict=True):
            row |= {f"{layout}_{key}": value for key, value in asdict(index).items()}
    return places


def _facts(network: Network, error: Interval) -> dict[str, str]:
    """The tooltip of a network."""
    name, score = shorten(network.label, 60), f"{decimals(error.mean)} {spread(error)} % (n = {error.n})"
    score = score.replace("  ", " ")
    return {
        "name": name,
        "family": network.family,
        "error": score,
        "told": f"{name}: {score}, {quantity(network.macs)} MACs, {quantity(network.params)} parameters",
        "params": quantity(network.params),
        "macs": quantity(network.macs),
        "saved": memory(network.cost.saved_bytes_per_sample if network.cost else None),
        "seconds": duration(network.train_seconds.mean if network.train_seconds else None),
        "notes": shorten("; ".join(network.flags), 80) or "none",
    }


def _curve(index: int, network: Network, measure: CurveMeasure) -> list[dict[str, Any]]:
    """One row per epoch, over the completed seeds."""
    epochs: dict[int, list[float]] = {}
    for run in network.complete_runs:
        for epoch in run.history:
            value = epoch.train_loss if measure == "train_loss" else epoch.validation_error_percent
            epochs.setdefault(epoch.epoch, []).append(value)
    rows = []
    for number, values in sorted(epochs.items()):
        low, mean, high = min(values), sum(values) / len(values), max(values)
        text = f"{mean:.3g}" if len(values) == 1 else f"{mean:.3g} ({low:.3g} to {high:.3g})"
        numbers = {"panel": index, "epoch": number, "mean": mean, "low": low, "high": high, "seeds": len(values)}
        rows.append({**numbers, "name": shorten(network.label, 60), "family": network.family, "told": text})
    return rows


def _scatter(cost_axis: alt.X, error_axis: alt.Y, networks: Sequence[Network], noun: str) -> dict[str, Any]:
    families = family_domain(network.family for network in networks)
    present = [family for family in families if any(network.family == family for network in networks)]
    columns = alt.ExprRef(f"width < {_LAYOUTS[0][2]} ? 3 : width < {_LAYOUTS[1][2]} ? 5 : {len(present)}")
    legend = alt.Legend(values=present, columns=columns)
    colour = alt.Color("family:N", scale=alt.Scale(domain=families), legend=legend)
    shape = alt.Shape("family:N", scale=alt.Scale(domain=families), legend=legend)
    base = alt.Chart(alt.NamedData(name="rows")).encode(cost_axis, error_axis)
    front = base.transform_filter("datum.front")
    layers = (
        front.mark_line(style="front", interpolate="step-after", aria=False),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(style="interval", clip=True, aria=False)
        .encode(alt.Y("low:Q"), alt.Y2("high:Q")),
        base.mark_point(size=80, strokeWidth=1.6, opacity=1, aria=False).encode(colour, shape),
        front.mark_point(size=80, strokeWidth=1.6, filled=True, opacity=1, aria=False).encode(colour, shape),
        base.mark_text(
            style="label",
            aria=False,
            text=_by_width("text"),
            align=_by_width("align"),
            dx=_by_width("dx"),
            dy=_by_width("dy"),
        ),
        base.mark_point(shape="circle", size=600, filled=True, opacity=0).encode(
            description=alt.Description("told:N"),
            tooltip=[
                alt.Tooltip("name:N", title="title"),
                alt.Tooltip("error:N", title=noun),
                alt.Tooltip("params:N", title="parameters"),
                alt.Tooltip("macs:N", title="MACs"),
                alt.Tooltip("saved:N", title="saved for backward"),
                alt.Tooltip("seconds:N", title="training time"),
                alt.Tooltip("notes:N", title="notes"),
            ],
        ),
    )
    return specification(alt.layer(*layers), _SCATTER_HEIGHT)


def _panel(
    index: int, title: str, epoch_axis: alt.X, value_axis: alt.Y, colour: alt.Color, noun: str
) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData(name="rows")).encode(epoch_axis, value_axis)
    own = base.transform_filter(f"datum.panel === {index}")
    layers = (
        base.mark_line(style="context", aria=False).encode(detail="panel:N"),
        own.mark_area(opacity=0.25, aria=False).encode(colour, alt.Y("low:Q"), alt.Y2("high:Q")),
        own.mark_line(strokeWidth=2, aria=False).encode(colour),
        own.transform_joinaggregate(epochs="count()")
        .transform_filter("datum.epochs === 1")
        .mark_point(filled=True, size=40, opacity=1, aria=False)
        .encode(colour),
        own.mark_point(filled=True, size=160, opacity=0).encode(
            description=alt.Description("told:N"),
            tooltip=[
                alt.Tooltip("name:N", title="title"),
                alt.Tooltip("epoch:Q", title="epoch"),
                alt.Tooltip("told:N", title=noun),
                alt.Tooltip("seeds:Q", title="seeds"),
            ],
        ),
    )
    return specification(alt.layer(*layers).properties(title=alt.TitleParams(title, offset=6)), _PANEL_HEIGHT)


def _by_width(key: str) -> alt.ExprRef:
    """The label position for the current width of the chart."""
    (narrow, _, first), (medium, _, second), (wide, _, _) = _LAYOUTS
    inner = f"width < {second} ? datum.{medium}_{key} : datum.{wide}_{key}"
    return alt.ExprRef(f"width < {first} ? datum.{narrow}_{key} : {inner}")
