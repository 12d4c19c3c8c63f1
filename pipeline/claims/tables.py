"""Verdicts as lines of a terminal."""

from collections.abc import Sequence

from pipeline.claims.catalogue import Catalogue, EmpiricalPart
from pipeline.claims.inference import seeds_needed
from pipeline.claims.judging import Estimate, estimate, judge_empirical, margin_of
from pipeline.claims.verdicts import ClaimVerdict, PartVerdict
from pipeline.evidence.records import GroupRecord


def tabulate(verdicts: Sequence[ClaimVerdict]) -> str:
    """One line a claim: identifier, verdict, statement; primary ones are starred."""
    lines = [f"{'claim':<6} {'verdict':<14} statement"]
    for claim in verdicts:
        star = "*" if claim.primary else ""
        lines.append(f"{claim.id + star:<6} {claim.verdict:<14} {claim.statement}")
    return "\n".join([*lines, "", count(verdicts)])


def plan_seeds(catalogue: Catalogue, name: str, record: GroupRecord) -> str:
    """What an experiment says of the claims that rest on it, part by part, and how many seeds would settle them."""
    lines = []
    for identifier, claim in catalogue.claims.items():
        for part in claim.parts:
            if not isinstance(part, EmpiricalPart) or part.experiment != name:
                continue
            found = estimate(part, catalogue.experiments[name], record).contrast
            if found is None:
                lines.append(f"{identifier}, {part.measure}: no two seeds in which all arms have a value")
                continue
            told = effect_of(judge_empirical(part, Estimate(found, 0, 0), found.p_value, ""), "p")
            needed = seeds_needed(found.spread, margin_of(part))
            lines.append(
                f"{identifier}, {part.measure}: {told}; {needed} seeds would find {part.smallest:g} {part.unit} with a "
                "probability of 80 %"
            )
    return "\n".join(lines)


def count(verdicts: Sequence[ClaimVerdict]) -> str:
    """How many claims have which verdict, in one line."""
    counts = {verdict: sum(claim.verdict == verdict for claim in verdicts) for verdict in _ORDER}
    return f"{len(verdicts)} claims: " + ", ".join(f"{number} {name}" for name, number in counts.items() if number)


_ORDER = ("holds", "holds in part", "equivalent", "contradicted", "undecided", "not testable here")


def tell(claim: ClaimVerdict) -> str:
    """One claim with its evidence."""
    lines = [f"{claim.id}  {claim.verdict}", claim.statement, f"source: {claim.source}; theme: {claim.theme}"]
    lines += ["primary: among those for which the study was planned"] if claim.primary else []
    for part in claim.parts:
        lines += ["", f"{part.measure}: {part.verdict}", *(f"  {line}" for line in _evidence(part))]
    return "\n".join([*lines, *(["", claim.remark] if claim.remark else [])])


def _evidence(part: PartVerdict) -> list[str]:
    lines = [f"at {part.scale}"] if part.scale else []
    for figure in part.figures:
        lines.append(f"{figure.name}: {figure.value:,.6g}; said: {figure.said}{'' if figure.holds else ' (it is not)'}")
    if part.kind == "empirical":
        lines.append(effect_of(part))
        lines.append(f"expected: {part.expected}; smallest effect worth speaking of: {part.smallest:g} {part.unit}")
        if part.failed:
            lines.append(f"{part.failed} of the trainings failed")
        if part.seeds_needed is not None:
            lines.append(f"{part.seeds_needed} seeds would find that effect with a probability of 80 %")
    return lines


def effect_of(part: PartVerdict, p_name: str = "adjusted p") -> str:
    """The effect of an empirical part with its interval, or that there is none yet."""
    if part.effect is None or part.interval is None:
        return "no evidence yet"
    low, high = part.interval
    p_value = f", {p_name} {part.p_value:.2g}" if part.p_value is not None else ""
    return f"{part.effect:.3g} {part.unit} [{low:.3g}, {high:.3g}] (n={part.n}{p_value})"
