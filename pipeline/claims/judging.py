"""The rule: from claims and their evidence to verdicts. Pure: equal evidence gives equal verdicts.

An estimated part *holds* where its effect differs from what it is held against in the direction expected, and is
*contradicted* where in the other; where it lies within the smallest effect worth speaking of, by two one-sided tests,
it is *equivalent*
whatever else is shown (which is what a claim of equality needs to hold); all else is *undecided*. That an effect is
not higher holds where a one-sided test shows it to be at most the smallest one worth speaking of (non-inferiority). P
values of the parts of primary claims are adjusted by Holm's method, those of the others by Benjamini and Hochberg's,
each over all parts for which there is evidence.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.claims.catalogue import Catalogue, Claim
from pipeline.claims.estimates import Estimate, Evidence, estimate, margin_of, null_of, unscaled
from pipeline.claims.figures import Figures, figures
from pipeline.claims.inference import ALPHA, Contrast, benjamini_hochberg, holm, seeds_needed
from pipeline.claims.parts import AnalyticPart, EstimatedPart, Part, RankingPart, TimedPart
from pipeline.claims.verdicts import ClaimVerdict, FigureVerdict, PartVerdict, Verdict
from pipeline.errors import UsageError


def judge(catalogue: Catalogue, evidence: Evidence) -> list[ClaimVerdict]:
    """Judge every claim; parts for which there is no evidence stay undecided.

    Raises UsageError where a claim says something of a figure that is not calculated.
    """
    estimates = {
        (identifier, place): found
        for identifier, claim in catalogue.claims.items()
        for place, part in enumerate(claim.parts)
        if not isinstance(part, AnalyticPart) and (found := estimate(part, catalogue, evidence)) is not None
    }
    adjusted = _adjusted(catalogue, estimates)

    def judged(identifier: str, claim: Claim) -> Iterator[PartVerdict]:
        for place, part in enumerate(claim.parts):
            if isinstance(part, AnalyticPart):
                yield judge_analytic(part, figures(part.calculation), identifier)
            else:
                yield judge_estimated(part, estimates.get((identifier, place)), adjusted.get((identifier, place)))

    return [
        _claim(identifier, claim, tuple(judged(identifier, claim))) for identifier, claim in catalogue.claims.items()
    ]


def _claim(identifier: str, claim: Claim, parts: tuple[PartVerdict, ...]) -> ClaimVerdict:
    evidence = [_evidence(part) for part in claim.parts]
    return ClaimVerdict(
        id=identifier,
        theme=claim.theme,
        primary=claim.primary,
        statement=claim.statement,
        source=claim.source,
        verdict=together([part.verdict for part in parts]),
        parts=parts,
        evidence=tuple(dict.fromkeys(evidence)),
        remark=claim.remark,
    )


def _evidence(part: Part) -> str:
    """What a part rests on."""
    match part:
        case AnalyticPart():
            return f"calculation {part.calculation}"
        case TimedPart():
            return f"timing {part.timing}"
        case RankingPart():
            return f"population, {part.cheap} against {part.dear}"
        case _:
            return f"experiment {part.experiment}"


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


def judge_estimated(part: EstimatedPart, found: Estimate | None, adjusted_p: float | None) -> PartVerdict:
    """The verdict on a part from its estimate and its p value, adjusted for all that is judged beside it."""
    verdict: Verdict = "undecided"
    effect = interval = n = needed = None
    if found is not None and found.contrast is not None:
        assert adjusted_p is not None
        verdict = decide(part, found.contrast, adjusted_p)
        effect, n = unscaled(part.scale, found.contrast.mean), found.contrast.n
        low, high = (unscaled(part.scale, end) for end in found.contrast.interval)
        interval = (low, high)
        needed = seeds_needed(found.contrast.spread, margin_of(part)) if verdict == "undecided" else None
    return PartVerdict(
        kind="empirical",
        measure=part.measure,
        verdict=verdict,
        effect=effect,
        unit=part.unit,
        interval=interval,
        n=n,
        scale=found.setting if found else "",
        expected=part.expect,
        against=part.against,
        smallest=part.smallest,
        p_value=adjusted_p,
        failed=found.failed if found else None,
        seeds_needed=needed,
    )


def decide(part: EstimatedPart, found: Contrast, adjusted_p: float) -> Verdict:
    """The decision rule."""
    margin, null = margin_of(part), null_of(part)
    equivalent = null - margin < found.inner[0] and found.inner[1] < null + margin
    shown = adjusted_p < ALPHA
    if part.expect == "equal":
        return "holds" if equivalent else "contradicted" if shown else "undecided"
    if part.expect == "not higher":
        within = found.inner[1] < null + margin
        return "holds" if within else "contradicted" if shown and found.mean > null else "undecided"
    if equivalent:
        return "equivalent"
    if not shown:
        return "undecided"
    return "holds" if (found.mean > null) == (part.expect == "higher") else "contradicted"


def _adjusted(catalogue: Catalogue, estimates: Mapping[tuple[str, int], Estimate]) -> dict[tuple[str, int], float]:
    adjusted: dict[tuple[str, int], float] = {}
    for primary, method in ((True, holm), (False, benjamini_hochberg)):
        p_values = {
            key: found.contrast.p_value
            for key, found in estimates.items()
            if found.contrast is not None and catalogue.claims[key[0]].primary == primary
        }
        adjusted |= method(p_values)
    return adjusted


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a whole from those of its parts.

    What all say, it says. Where some hold, it holds in part, unless others are still undecided. Where none holds and
    they differ, it is undecided if any is, else contradicted if any is.
    """
    said = set(verdicts) - {"not testable here"} or set(verdicts)
    if len(said) == 1:
        return next(iter(said))
    if "undecided" in said:
        return "undecided"
    return "holds in part" if said & {"holds", "holds in part"} else "contradicted"
