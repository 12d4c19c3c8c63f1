"""Verdicts as text for a terminal."""

from collections import Counter
from collections.abc import Sequence

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.estimates import ClaimRecords, estimate
from pipeline.claims.inference import ALPHA, MOST_SEEDS
from pipeline.claims.judging import Adjusted, is_testable, judge_estimated, p_values_of, seeds_for
from pipeline.claims.parts import AnalyticPart, RankingPart, TimedPart
from pipeline.claims.verdicts import Aside, ClaimVerdict, PartVerdict, Verdict


def tabulate(verdicts: Sequence[ClaimVerdict]) -> str:
    """One line per claim: identifier, verdict, statement. Primary claims have a star; the user's own come last."""
    width = max([6, *(len(claim.id) + claim.primary for claim in verdicts)])
    lines = [f"{'claim':<{width}} {'verdict':<14} statement"]
    for title, are_own in ((), False), (("", "your own claims (reports/my-claims.yaml)"), True):
        claims = [claim for claim in verdicts if claim.own == are_own]
        rows = [f"{claim.id + '*' * claim.primary:<{width}} {claim.verdict:<14} {claim.statement}" for claim in claims]
        lines += [*title, *rows, "", count(claims)] if claims else []
    return "\n".join(lines)


def plan_seeds(catalogues: Sequence[Catalogue], name: str, evidence: ClaimRecords) -> str:
    """One line per part that uses an experiment or a timing: its effect, and how many seeds would decide it.

    For a timing, seeds are rounds; for a population, networks. The level of the test is 0.05. For a primary claim it is
    divided by the number of estimated parts of its catalogue's primary claims that need no GPU.
    """
    return "\n".join(line for catalogue in catalogues for line in _planned(catalogue, name, evidence))


def _planned(catalogue: Catalogue, name: str, evidence: ClaimRecords) -> list[str]:
    primary_parts = sum(
        not isinstance(part, AnalyticPart) and is_testable(part, catalogue)
        for claim in catalogue.claims.values()
        if claim.primary
        for part in claim.parts
    )
    lines = []
    for identifier, claim in catalogue.claims.items():
        for part in claim.parts:
            if isinstance(part, AnalyticPart | RankingPart):
                continue
            if name != (part.timing if isinstance(part, TimedPart) else part.experiment):
                continue
            found = estimate(part, catalogue, evidence)
            if found is None or found.contrast is None:
                lines.append(f"{identifier}, {part.measure}: fewer than two seeds cover all arms")
                continue
            effect = effect_of(judge_estimated(part, found, Adjusted(dict(p_values_of(part, found.contrast)))), "p")
            needed = seeds_for(part, found.contrast, ALPHA / primary_parts if claim.primary else ALPHA)
            seeds = f"{needed:,} seeds" if needed is not None else f"no number of seeds up to {MOST_SEEDS:,}"
            lines.append(
                f"{identifier}, {part.measure}: {effect}; {seeds} would find {part.smallest:g} {part.unit} with a "
                "probability of 80 %"
            )
    return lines


def count(verdicts: Sequence[ClaimVerdict]) -> str:
    """The number of claims per verdict, as a sentence."""
    counts = Counter(claim.verdict for claim in verdicts)
    said = [f"{counts[verdict]} {words[counts[verdict] > 1]}" for verdict, words in _SAID.items() if counts[verdict]]
    return f"{len(verdicts)} claims: {', '.join(said)}"


_SAID: dict[Verdict, tuple[str, str]] = {
    "holds": ("holds", "hold"),
    "holds in part": ("holds in part", "hold in part"),
    "contradicted": ("is contradicted", "are contradicted"),
    "undecided": ("is undecided", "are undecided"),
    "equivalent": ("is equivalent (the difference is too small to matter)",
                   "are equivalent (the difference is too small to matter)"),
    "not testable here": ("is not testable here", "are not testable here"),
}  # fmt: skip
"""Verdict -> its words for one claim, and for several."""


def tell(claim: ClaimVerdict) -> str:
    """One claim with its evidence."""
    lines = [f"{claim.id}  {claim.verdict}", claim.statement, f"source: {claim.source}; theme: {claim.theme}"]
    lines += ["your own claim (reports/my-claims.yaml)"] if claim.own else []
    lines += ["primary: one of the claims for which the study was planned"] if claim.primary else []
    for part in claim.parts:
        lines += ["", f"{part.measure}: {part.verdict}", *(f"  {line}" for line in _evidence(part))]
    if claim.beside:
        lines += ["", "for information, not judged:", *(f"  {_beside(aside)}" for aside in claim.beside)]
    lines += ["", f"evidence: {'; '.join(claim.evidence)}"]
    return "\n".join([*lines, *(["", claim.remark] if claim.remark else [])])


def _evidence(part: PartVerdict) -> list[str]:
    lines = [f"at {part.scale}"] if part.scale else []
    for figure in part.figures:
        outcome = "" if figure.holds else " (not confirmed)"
        lines.append(f"{figure.name}: {figure.value:,.6g}; claimed: {figure.said}{outcome}")
    if part.kind == "empirical":
        lines.append(effect_of(part))
        against = "" if part.against is None else f", compared with {part.against:g}"
        lines.append(f"expected: {part.expected}{against}; smallest effect of interest: {part.smallest:g} {part.unit}")
        lines += [*part.notes, *part.cautions]
        if part.failed:
            lines.append(f"{part.failed} of the trainings failed")
        if part.seeds_needed is not None:
            lines.append(f"{part.seeds_needed} seeds would find that effect with a probability of 80 %")
    return lines


def _beside(aside: Aside) -> str:
    if aside.effect is None:
        return f"{aside.measure}: no evidence yet"
    low, high = aside.interval or (None, None)
    interval = f" [{low:.3g}, {high:.3g}] (n={aside.n})" if low is not None else ""
    return f"{aside.measure}: {aside.effect:.3g} {aside.unit}{interval}"


def effect_of(part: PartVerdict, p_name: str = "adjusted p") -> str:
    """The effect of an empirical part with its interval, or "no evidence yet"."""
    if part.effect is None or part.interval is None:
        return "no evidence yet"
    low, high = part.interval
    p_value = f", {p_name} {part.p_value:.2g}" if part.p_value is not None else ""
    return f"{part.effect:.3g} {part.unit} [{low:.3g}, {high:.3g}] (n={part.n}{p_value})"
