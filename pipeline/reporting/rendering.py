"""Renders the report as one HTML file and as Markdown.

The HTML page is self-contained: its Content-Security-Policy allows only its own two scripts and its style sheet, by
hash, and no connections. Vega interprets expressions, so the page needs no eval. The template engine escapes all data,
in Markdown and in HTML.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.cost.table import COSTS
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.statistics import AT_CHANCE_LEVEL
from pipeline.evidence.study_records import StudyRecord
from pipeline.reporting import formatting
from pipeline.reporting.charts.chart import Figure, theme
from pipeline.reporting.charts.networks import figures_of
from pipeline.reporting.charts.searches import study_figures
from pipeline.reporting.claims.view import ClaimsView
from pipeline.reporting.comparison import Comparison, Network
from pipeline.reporting.provenance import Provenance, learning_rates, provenance_of, rate_score
from pipeline.reporting.searches.view import StudyView, Trait

TEMPLATES = Path(__file__).resolve().parents[2] / "reports" / "templates"


@dataclass(frozen=True)
class Section:
    """One comparison with its figures and provenance. `anchor` is unique in the report."""

    anchor: str
    comparison: Comparison
    figures: tuple[Figure, ...]
    provenance: Provenance

    @property
    def scatters(self) -> tuple[Figure, ...]:
        """Plots of error against each cost."""
        return tuple(figure for figure in self.figures if figure.kind == "scatter")

    @property
    def curves(self) -> tuple[Figure, ...]:
        """Learning curves, one panel per network."""
        return tuple(figure for figure in self.figures if figure.kind == "curves")

    @property
    def batches(self) -> tuple[str, ...]:
        """Batch sizes with a measured latency, ascending."""
        costs = [network.cost.latency_seconds for network in self.comparison.networks if network.cost]
        return tuple(sorted({batch for cost in costs if cost for batch in cost}, key=int))

    @property
    def rates(self) -> tuple[float, ...]:
        """Learning rates tried for any network."""
        return learning_rates(self.comparison)

    def fronts(self, network: Network) -> list[str]:
        """Costs for which the network is on the Pareto front."""
        return [axis.short for axis in self.comparison.axes if network in self.comparison.front(axis)]


@dataclass(frozen=True)
class StudySection:
    """One search with its figures, parameter importances and traits."""

    view: StudyView
    figures: tuple[Figure, ...]
    importances: dict[str, float]
    traits: list[Trait]

    @property
    def has_course(self) -> bool:
        """Whether there is a plot of lowest error against compute."""
        return any(figure.identifier.endswith("-course") for figure in self.figures)


def study_sections(
    records: Sequence[StudyRecord], finalists: Mapping[str, FinalistsRecord]
) -> tuple[StudySection, ...]:
    """Sections of the studies that have trials; `finalists` maps a study's name to its finalists."""
    sections = []
    for number, record in enumerate((record for record in records if record.trials), start=1):
        view = StudyView(f"search-{number}", record, finalists.get(record.study))
        sections.append(StudySection(view, study_figures(view), view.importances(), view.traits()))
    return tuple(sections)


def sections_of(comparisons: Sequence[Comparison]) -> tuple[Section, ...]:
    """Sections of comparisons."""
    sections = []
    for number, comparison in enumerate(comparisons, start=1):
        anchor = f"comparison-{number}"
        prefix = f"{anchor}-" if len(comparisons) > 1 else ""
        sections.append(Section(anchor, comparison, figures_of(comparison, prefix), provenance_of(comparison)))
    return tuple(sections)


def render_html(
    sections: Sequence[Section], studies: Sequence[StudySection] = (), claims: ClaimsView | None = None
) -> str:
    """The report as one self-contained HTML page. Verdicts on claims come first, if there are any."""
    library, style, script = _library(), _source("report.css"), _source("report.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(library)} {_hash(script)}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        _environment(html=True)
        .get_template("report.html.j2")
        .render(
            **_names(sections, studies, claims),
            policy=policy,
            style=Markup(style),  # noqa: S704 (our own file)
            script=Markup(script),  # noqa: S704 (our own file)
            library=Markup(library),  # noqa: S704 (Vega, Vega-Lite and Vega-Embed as vl-convert ships them)
            charts=_charts(figures_in(sections, studies, claims)),
        )
    )


def render_markdown(
    sections: Sequence[Section], studies: Sequence[StudySection] = (), claims: ClaimsView | None = None
) -> str:
    """The report as Markdown that links to PNG files in `figures/`."""
    return _environment(html=False).get_template("REPORT.md.j2").render(**_names(sections, studies, claims))


def figures_in(sections: Sequence[Section], studies: Sequence[StudySection], claims: ClaimsView | None) -> list[Figure]:
    """All figures of a report, in page order."""
    parts: list[Section | StudySection | ClaimsView] = [*sections, *studies]
    return [figure for part in ([claims, *parts] if claims else parts) for figure in part.figures]


def _charts(figures: Sequence[Figure]) -> Markup:
    """The data of all charts as JSON, escaped so that it cannot close its script element."""
    charts = {
        "themes": {"light": theme("light"), "dark": theme("dark")},
        "figures": [
            {"id": figure.identifier, "specifications": _described(figure), "rows": figure.rows} for figure in figures
        ],
    }
    text = json.dumps(charts, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def _described(figure: Figure) -> Sequence[dict[str, Any]]:
    """The figure's specifications; those without a description of their own get the figure's."""
    return [{"description": figure.description, **specification} for specification in figure.specifications]


def _names(sections: Sequence[Section], studies: Sequence[StudySection], claims: ClaimsView | None) -> dict[str, Any]:
    return {
        "claims": claims,
        "sections": sections,
        "studies": studies,
        "at_chance_level": AT_CHANCE_LEVEL,
    }


def _environment(html: bool) -> Environment:
    """The template environment: escapes every value, refuses undefined names, and has the number formats as filters."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=html,  # noqa: S701 (`finalize` escapes Markdown)
        finalize=None if html else formatting.markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    named = (
        "quantity",
        "memory",
        "duration",
        "decimals",
        "exact",
        "spread",
        "share",
        "shape",
        "listing",
        "shorten",
        "network",
        "number",
        "core_hours",
        "p_value",
        "points",
        "sentence",
        "slug",
    )
    environment.filters.update({name: getattr(formatting, name) for name in named})
    environment.filters["shown_cost"] = lambda value, cost: COSTS[cost].unit.show(value)
    environment.filters["rate_score"] = rate_score
    environment.filters["cost_name"] = lambda cost: COSTS[cost].noun
    return environment


@functools.cache
def _library() -> str:
    """One script with Vega, Vega-Lite, Vega-Embed and the expression interpreter; the same in every report."""
    library: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    assert "</script" not in library
    assert "\r" not in library, "an HTML parser normalises line ends, which changes the hash"
    return library


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text()


def _hash(source: str) -> str:
    """The Content-Security-Policy source expression that allows this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
