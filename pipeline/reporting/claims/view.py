"""The report's view of claims: verdicts joined with their evidence."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from pipeline.claims.catalogue import Catalogue, Claim, Theme
from pipeline.claims.estimates import ClaimRecords, margin_of, null_of, scaled
from pipeline.claims.parts import AnalyticPart, Part
from pipeline.claims.simulation import Simulation
from pipeline.claims.verdicts import Aside, ClaimVerdict, FigureVerdict, PartVerdict, Verdict
from pipeline.errors import UsageError
from pipeline.evidence.population import FullTrainings, PopulationTable
from pipeline.reporting.charts.chart import Figure
from pipeline.reporting.charts.claims import figures_of_claims, key_of
from pipeline.reporting.claims import words
from pipeline.reporting.claims.arms import Compared, compared_by, source_of
from pipeline.reporting.claims.costs import Costs, costs_of
from pipeline.reporting.claims.drawing import Drawn
from pipeline.reporting.claims.protocol import Setting, settings_of
from pipeline.reporting.comparison import Comparison
from pipeline.reporting.formatting import slug

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class PartView:
    """One part of a claim. `figure`: key of the chart that shows its arms, if there is one."""

    part: Part
    verdict: PartVerdict
    figure: str | None

    @property
    def drawn(self) -> Drawn | None:
        """The interval as a drawing; None for a calculated part, or without evidence."""
        if isinstance(self.part, AnalyticPart) or self.verdict.effect is None or self.verdict.interval is None:
            return None
        null, margin = null_of(self.part), margin_of(self.part)
        values = (self.verdict.effect, *self.verdict.interval)
        effect, low, high = ((scaled(self.part.scale, value) - null) / margin for value in values)
        turned = self.part.expect in ("lower", "not higher")
        return Drawn(-effect, -high, -low) if turned else Drawn(effect, low, high)

    @property
    def effect(self) -> str:
        """The effect with its unit."""
        return words.effect_of(self.part, self.verdict)

    @property
    def interval(self) -> str:
        """The interval; empty if there is none."""
        return words.interval_of(self.part, self.verdict)

    @property
    def repeats(self) -> str:
        """The number of seeds, rounds or networks; empty for a calculated part."""
        return words.repeats_of(self.part, self.verdict)

    @property
    def half_width(self) -> str:
        """Half the width of the interval; empty if there is none."""
        return words.half_width_of(self.part, self.verdict)

    @property
    def smallest(self) -> str:
        """The smallest effect of interest; empty for a calculated part."""
        return "" if isinstance(self.part, AnalyticPart) else words.smallest_of(self.part)

    @property
    def is_as_narrow_as_planned(self) -> bool | None:
        """Whether half the width of the interval is at most the smallest effect of interest; None without interval."""
        half = words.half_width(self.part, self.verdict)
        return None if half is None or isinstance(self.part, AnalyticPart) else half <= margin_of(self.part)

    @property
    def main_figure(self) -> FigureVerdict | None:
        """The figure that represents a calculated part in one line."""
        return words.figure_of(self.verdict) if self.verdict.figures else None

    @property
    def figures_confirmed(self) -> str:
        """How many of its numbers agree with the source."""
        return words.figures_confirmed(self.verdict)

    @property
    def setting(self) -> str:
        """Sizes at which it was calculated or measured; the profile is named as one."""
        return re.sub(r", (smoke|quick|pilot|full|gpu)$", r", profile \1", self.verdict.scale)

    @property
    def rule(self) -> str:
        """The decision rule, with its numbers."""
        return words.rule_of(self.part)

    @property
    def would_change(self) -> str:
        """What would change the verdict."""
        return words.would_change(self.part, self.verdict)


@dataclass(frozen=True)
class Chart:
    """A figure of a claim. `source`: its experiment or timing; `owner`: the claim whose section draws it."""

    figure: Figure
    source: str
    owner: str


@dataclass(frozen=True)
class ClaimView:
    """One claim with its verdict, parts, compared arms and charts."""

    claim: Claim
    verdict: ClaimVerdict
    parts: tuple[PartView, ...]
    compared: tuple[Compared, ...]
    charts: tuple[Chart, ...]

    @property
    def anchor(self) -> str:
        """The anchor of its section, in HTML and Markdown."""
        return anchor_of(self.verdict.id)

    def charts_of(self, source: str) -> list[Chart]:
        """The charts of an experiment or timing; "": charts of neither."""
        return [chart for chart in self.charts if chart.source == source]

    @property
    def calculated(self) -> list[PartView]:
        """Calculated parts."""
        return [part for part in self.parts if isinstance(part.part, AnalyticPart)]

    @property
    def estimated(self) -> list[PartView]:
        """Parts estimated from trainings and timings."""
        return [part for part in self.parts if not isinstance(part.part, AnalyticPart)]

    @property
    def other_figures(self) -> str:
        """What would change the verdict on the calculated parts."""
        wrong = [part.would_change for part in self.calculated if part.verdict.verdict != "holds"]
        return " ".join(wrong) if wrong else self.calculated[0].would_change

    @property
    def asides(self) -> list[tuple[Aside, str]]:
        """Figures for information, not judged, each with its value as text."""
        return [(aside, words.aside_of(aside)) for aside in self.verdict.beside]


@dataclass(frozen=True)
class ClaimsView:
    """All claims with their evidence.

    Attributes:
        claims: in the order of the catalogue.
        figures: of all claims, each once.
        costs: of the evidence.
        settings: sizes of the experiments, on CPUs and on a GPU.
        simulation: the decision rule in simulated studies, if there is a record.
        files: relative path from the page to the repository, for links.
    """

    claims: tuple[ClaimView, ...]
    figures: tuple[Figure, ...]
    costs: Costs
    settings: tuple[Setting, ...]
    simulation: Simulation | None
    files: str

    @property
    def of_source(self) -> list[ClaimView]:
        """The source's claims; all counts are of these."""
        return [view for view in self.claims if not view.verdict.own]

    @property
    def counts(self) -> dict[Verdict, int]:
        """Verdict -> number of claims, for verdicts that occur."""
        found = Counter(view.verdict.verdict for view in self.of_source)
        return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts that occur, including the user's own claims."""
        return [verdict for verdict in VERDICTS if any(view.verdict.verdict == verdict for view in self.claims)]

    @property
    def themes(self) -> dict[str, list[ClaimView]]:
        """Claims by theme, in the order of the catalogue; the user's own come last."""
        found = {theme: [view for view in self.of_source if view.claim.theme == theme] for theme in get_args(Theme)}
        found["your own claims"] = [view for view in self.claims if view.verdict.own]
        return {theme: views for theme, views in found.items() if views}

    @property
    def primary(self) -> list[ClaimView]:
        """The primary claims, for which the study was planned."""
        return [view for view in self.of_source if view.verdict.primary]

    @property
    def planned(self) -> list[tuple[ClaimView, PartView]]:
        """The estimated parts of primary claims; numbers of seeds were planned for their smallest effects."""
        return [(view, part) for view in self.primary for part in view.estimated]

    @property
    def calculated(self) -> int:
        """How many claims calculation alone decides."""
        return sum(not view.estimated for view in self.of_source)

    @property
    def calculated_and_hold(self) -> int:
        """How many of those hold."""
        return sum(not view.estimated and view.verdict.verdict == "holds" for view in self.of_source)


def anchor_of(identifier: str) -> str:
    """The anchor of a claim's section."""
    return slug(f"claim {identifier}")


def claims_view(
    catalogue: Catalogue,
    verdicts: Sequence[ClaimVerdict],
    evidence: ClaimRecords,
    comparisons: Sequence[Comparison],
    simulation: Simulation | None,
    files: str,
    population: tuple[PopulationTable, FullTrainings | None] | None = None,
) -> ClaimsView:
    """Join verdicts with claims by id, and their parts by position.

    Raises UsageError if the verdicts do not match the claims of the catalogue.
    """
    found = {verdict.id: verdict for verdict in verdicts}
    for identifier, claim in catalogue.claims.items():
        if identifier not in found or len(found[identifier].parts) != len(claim.parts):
            raise UsageError(
                f"claims.json does not match the claims: {identifier} differs; judge again: dvc repro judge"
            )
    figures = figures_of_claims(catalogue, evidence)
    owners: dict[str, str] = {}
    views = []
    for identifier, claim in catalogue.claims.items():
        parts = [
            PartView(part, verdict, key if (key := key_of(part)) in figures else None)
            for part, verdict in zip(claim.parts, found[identifier].parts, strict=True)
        ]
        charts: dict[str, Chart] = {}
        for part in parts:
            if part.figure is not None and part.figure not in charts:
                owner = owners.setdefault(part.figure, identifier)
                charts[part.figure] = Chart(figures[part.figure], source_of(part.part), owner)
        compared = compared_by((*claim.parts, *claim.beside), catalogue, evidence)
        views.append(ClaimView(claim, found[identifier], tuple(parts), compared, tuple(charts.values())))
    return ClaimsView(
        claims=tuple(views),
        figures=tuple(figures.values()),
        costs=costs_of(evidence, comparisons, catalogue.experiments, population),
        settings=settings_of(evidence),
        simulation=simulation,
        files=files,
    )
