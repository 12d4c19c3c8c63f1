"""Verdicts as lines of a terminal."""

from collections.abc import Sequence

from pipeline.claims.verdicts import ClaimVerdict, PartVerdict


def tabulate(verdicts: Sequence[ClaimVerdict]) -> str:
    """One line a claim: identifier, verdict, statement; primary ones are starred."""
    lines = [f"{'claim':<6} {'verdict':<14} statement"]
    for claim in verdicts:
        star = "*" if claim.primary else ""
        lines.append(f"{claim.id + star:<6} {claim.verdict:<14} {claim.statement}")
    return "\n".join([*lines, "", count(verdicts)])


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


def effect_of(part: PartVerdict) -> str:
    """The effect of an empirical part with its interval, or that there is none yet."""
    if part.effect is None or part.interval is None:
        return "no evidence yet"
    low, high = part.interval
    p_value = f", adjusted p {part.p_value:.2g}" if part.p_value is not None else ""
    return f"{part.effect:.3g} {part.unit} [{low:.3g}, {high:.3g}] (n={part.n}{p_value})"
