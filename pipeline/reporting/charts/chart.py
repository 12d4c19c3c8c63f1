"""Shared parts of all charts: the light and dark theme, and conversion to PNG.

The nine colours of each mode differ by at least 20 CIELAB units under normal, protan, deutan and tritan vision
(simulated after Machado et al. 2009). Their contrast with the background is at least 3. A test recomputes both. Shapes
carry the same information as colours.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import vl_convert

from pipeline.reporting.charts.layout import AxisScale

FAMILY_ORDER = ("lenet", "alexnet", "vgg", "nin", "googlenet", "resnet", "resnext", "densenet", "regnet")
"""Ordered by year of publication. A family has the same colour in all charts. Other families follow, sorted by name."""

PALETTES = {
    "light": ("#4e3c9f", "#b11a47", "#074700", "#939956", "#1897ff", "#692756", "#ad7202", "#25836f", "#bc7ec7"),
    "dark": ("#478ef9", "#d6837f", "#41882d", "#adb137", "#b7c5ff", "#d54d8d", "#f2c388", "#54e0ce", "#a85eb7"),
}
BACKGROUNDS = {"light": "#ffffff", "dark": "#16181c"}
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
_BAR = "M-0.45,-1H0.45V1H-0.45Z"
_INK = {"light": "#1f2328", "dark": "#e6e6e3"}
_MUTED = {"light": "#59606a", "dark": "#a3a9b2"}
_HAIRLINE = {"light": "#e3e4e1", "dark": "#2c3036"}
_CONTEXT = {"light": "#cfd2d4", "dark": "#41464e"}
_ACCENT = {"light": "#0b6468", "dark": "#7cc7c4"}
_PAGE_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_PNG_FONT = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Figure:
    """One figure: a single chart, or one panel per network, on one data set.

    Specifications contain no colours (see `theme`) and no data: the page holds each data set once; `png` inserts it.

    Attributes:
        kind: "scatter": one chart; "dots": one chart, its height set by the number of arms; "curves": one panel per
            network.
        identifier: names the PNG and the elements of the page; the same in every report.
        title: a short title.
        specifications: Vega-Lite, one per panel; their data set is named "rows".
        rows: that data set.
        omitted: what is not drawn, each with the reason.
        description: text for readers who do not see the chart; a panel may have its own.
    """

    kind: Literal["scatter", "dots", "curves"]
    identifier: str
    title: str
    specifications: tuple[dict[str, Any], ...]
    rows: tuple[dict[str, Any], ...]
    description: str
    omitted: tuple[str, ...] = ()

    def png(self) -> bytes:
        """The figure as a PNG on white, panels in three columns. Needs no browser and no network."""
        first = self.specifications[0]
        whole: dict[str, Any]
        if self.kind != "curves":
            whole = {**first, "width": 720, "title": self.title}
        else:
            inside = [{key: panel[key] for key in panel if key not in _TOP_LEVEL} for panel in self.specifications]
            whole = {"$schema": first["$schema"], "columns": 3, "spacing": 26, "title": self.title}
            whole["concat"] = [{**panel, "width": 220} for panel in inside]
        config = {**theme("light", _PNG_FONT), "background": BACKGROUNDS["light"], "padding": 14}
        whole |= {"datasets": {"rows": list(self.rows)}, "config": config}
        png: bytes = vl_convert.vegalite_to_png(json.dumps(whole), scale=2)
        return png

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        return self.png()


_TOP_LEVEL = ("$schema", "autosize", "config", "datasets")


def family_domain(families: Iterable[str]) -> list[str]:
    """The domain of the colour scale: the known families, then the others among `families`."""
    return [*FAMILY_ORDER, *sorted(set(families) - set(FAMILY_ORDER))]


def theme(mode: Literal["light", "dark"], font: str = _PAGE_FONT) -> dict[str, Any]:
    """The Vega-Lite `config` of a mode. It sets the colours of the styles that charts name ("label", "front", …)."""
    text = {"labelColor": _MUTED[mode], "titleColor": _MUTED[mode], "labelFontSize": 11, "titleFontSize": 11}
    lines = {"domain": False, "ticks": False, "grid": True, "gridColor": _HAIRLINE[mode], "labelPadding": 6}
    heading = {"anchor": "start", "frame": "group", "fontSize": 12.5, "fontWeight": 600, "offset": 16}
    return {
        "background": "transparent",
        "font": font,
        "view": {"stroke": None},
        "axis": {**lines, **text, "titleFontWeight": "normal", "titlePadding": 8},
        "axisY": {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleX": 0, "titleY": -12},
        "legend": {**text, "orient": "bottom", "title": None, "symbolStrokeWidth": 1.5, "columnPadding": 14},
        "title": {"color": _INK[mode], "subtitleColor": _MUTED[mode], **heading},
        "range": {"category": list(PALETTES[mode]), "symbol": [*_SHAPES, _BAR]},
        "style": {
            "label": {"color": _INK[mode], "fontSize": 11, "baseline": "middle"},
            "interval": {"color": _MUTED[mode], "strokeWidth": 1.2},
            "front": {"color": _MUTED[mode], "strokeWidth": 1.2, "strokeDash": [3, 3]},
            "context": {"color": _CONTEXT[mode], "strokeWidth": 1},
            "seed": {"color": _ACCENT[mode], "filled": True, "opacity": 0.75},
            "mean": {"color": _INK[mode], "filled": True, "opacity": 1, "strokeWidth": 2},
        },
    }


def specification(chart: alt.LayerChart | alt.FacetChart, height: int) -> dict[str, Any]:
    """The chart as a Vega-Lite specification that fills its container, without a theme."""
    sized = chart.properties(
        width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )
    written: dict[str, Any] = sized.to_dict(validate=False)  # slow; a test validates instead
    written.pop("config", None)
    return written


def vega_scale(scale: AxisScale) -> alt.Scale:
    """The scale for Vega-Lite."""
    return alt.Scale(type=scale.kind, domain=list(scale.domain), nice=False)


def vega_axis(scale: AxisScale, number_format: str | None = None) -> alt.Axis:
    """An axis with plain numbers by default (d3's "g" format writes 80 as 8e+1 on a linear axis)."""
    plain = "~g" if scale.kind == "log" else "~f"
    return alt.Axis(values=list(scale.ticks), format=number_format or plain, labelOverlap="greedy")
