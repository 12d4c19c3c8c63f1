"""The rule: from a claim and its evidence to a verdict. Pure: equal evidence gives equal verdicts."""

from collections.abc import Sequence

from pipeline.claims.catalogue import AnalyticPart, Claim
from pipeline.claims.figures import Figures, figures
from pipeline.claims.verdicts import ClaimVerdict, FigureVerdict, PartVerdict, Verdict
from pipeline.errors import UsageError


def judge(identifier: str, claim: Claim) -> ClaimVerdict:
    """Judge a claim; raises UsageError where it says something of a figure that is not calculated."""
    parts = [judge_analytic(part, figures(part.calculation), identifier) for part in claim.parts]
    return ClaimVerdict(
        id=identifier,
        theme=claim.theme,
        primary=claim.primary,
        statement=claim.statement,
        source=claim.source,
        verdict=together([part.verdict for part in parts]),
        parts=tuple(parts),
        evidence=tuple(dict.fromkeys(f"calculation {part.calculation}" for part in claim.parts)),
        remark=claim.remark,
    )


def judge_analytic(part: AnalyticPart, found: Figures, where: str) -> PartVerdict:
    """A part holds where all its figures are as said, is contradicted where none is, and holds in part between."""
    unknown = [name for name in part.says if name not in found]
    if unknown:
        raise UsageError(f"{where}: {part.calculation} has no figure {unknown[0]!r}; it has {', '.join(found)}")
    judged = tuple(
        FigureVerdict(name, found[name], relation.told(), relation.holds_of(found[name]))
        for name, relation in part.says.items()
    )
    return PartVerdict(
        kind="analytic",
        measure=part.measure,
        verdict=together(["holds" if figure.holds else "contradicted" for figure in judged]),
        effect=judged[0].value,
        unit=part.unit,
        interval=None,
        n=None,
        scale=part.scale,
        figures=judged,
    )


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a whole from those of its parts.

    What all say, it says. Where some hold, it holds in part, unless others are still undecided. Where none holds and
    they differ, it is undecided if any is, else contradicted if any is.
    """
    said = set(verdicts)
    if len(said) == 1:
        return next(iter(said))
    said.discard("not testable here")
    if len(said) == 1:
        return next(iter(said))
    if "undecided" in said:
        return "undecided"
    return "holds in part" if said & {"holds", "holds in part"} else "contradicted"
