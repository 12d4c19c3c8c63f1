"""The decision rule: from claims and their evidence to verdicts. Equal evidence gives equal verdicts.

Tests on its effect decide an estimated part. An effect that differs from the value it is compared with *holds* in the
expected direction and is *contradicted* in the other one. An effect within the smallest effect of interest (two
one-sided tests) is *equivalent*, whatever else is shown. A claim of equality holds only then; it is contradicted if the
effect lies beyond that margin. "Not higher" depends on the side of the upper margin. All else is *undecided*.

The p values of all these tests are adjusted together: those of primary claims with Holm's method, all others with
Benjamini and Hochberg's. A test without evidence has a p value of 1, so that an early verdict is adjusted for
everything that will be judged. A part whose experiment is too large for a CPU is not testable without a record of it.
Then its tests do not count.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from pipeline.claims.asides import asides_of
from pipeline.claims.calculations.registry import Figures, figures
from pipeline.claims.catalogue import Catalogue, Claim
from pipeline.claims.estimates import ClaimRecords, Estimate, estimate, margin_of, null_of, unscaled
from pipeline.claims.inference import (
    ALPHA,
    Contrast,
    benjamini_hochberg,
    holm,
    next_level_of_benjamini_hochberg,
    next_level_of_holm,
    seeds_needed,
)
from pipeline.claims.parts import (
    AnalyticPart,
    EmpiricalPart,
    EstimatedPart,
    Part,
    PopulationPart,
    RankingPart,
    TimedPart,
)
from pipeline.claims.verdicts import Aside, ClaimVerdict, FigureVerdict, PartVerdict, Verdict, together
from pipeline.errors import UsageError

ON_ANY_MACHINE = "full"
"""The profile that needs no GPU."""
Test = Literal["difference", "equivalence", "beyond the margin", "upper margin"]
PValues = Mapping[Test, float]
Key = TypeVar("Key")


@dataclass
class Adjusted:
    """The p values of a part's tests, adjusted for everything that is judged together.

    One more test would be significant if its unadjusted p value were below `level`.
    """

    p_values: dict[Test, float] = field(default_factory=dict)
    level: float = ALPHA


def judge(catalogue: Catalogue, evidence: ClaimRecords) -> list[ClaimVerdict]:
    """Judge every claim. Parts without evidence are undecided.

    Raises UsageError if a claim names a figure that its calculation lacks.
    """
    estimates = {
        (identifier, index): found
        for identifier, claim in catalogue.claims.items()
        for index, part in enumerate(claim.parts)
        if not isinstance(part, AnalyticPart) and (found := estimate(part, catalogue, evidence)) is not None
    }
    testable = {
        (identifier, index): part
        for identifier, claim in catalogue.claims.items()
        for index, part in enumerate(claim.parts)
        if not isinstance(part, AnalyticPart) and ((identifier, index) in estimates or is_testable(part, catalogue))
    }
    adjusted = _adjusted(catalogue, testable, estimates)

    def judged(identifier: str, claim: Claim) -> Iterator[PartVerdict]:
        for index, part in enumerate(claim.parts):
            if isinstance(part, AnalyticPart):
                yield judge_analytic(part, figures(part.calculation), identifier)
            elif (identifier, index) not in testable:
                yield replace(judge_estimated(part, None, Adjusted()), verdict="not testable here")
            else:
                yield judge_estimated(
                    part, estimates.get((identifier, index)), adjusted.get((identifier, index), Adjusted())
                )

    return [
        _claim(identifier, claim, tuple(judged(identifier, claim)), asides_of(identifier, catalogue, evidence))
        for identifier, claim in catalogue.claims.items()
    ]


def judge_all(source: Catalogue, own: Catalogue, evidence: ClaimRecords) -> list[ClaimVerdict]:
    """Judge the source's claims, then the user's own. Each set is adjusted on its own, so neither changes the other."""
    return [*judge(source, evidence), *(replace(claim, own=True) for claim in judge(own, evidence))]


def is_testable(part: EstimatedPart, catalogue: Catalogue) -> bool:
    """Whether a part's evidence can be produced on any machine, not only with a GPU."""
    match part:
        case TimedPart():
            return ON_ANY_MACHINE in catalogue.timings[part.timing].rounds
        case EmpiricalPart() | PopulationPart():
            return ON_ANY_MACHINE in catalogue.experiments[part.experiment].sizes
        case _:
            return True


def _claim(identifier: str, claim: Claim, parts: tuple[PartVerdict, ...], beside: tuple[Aside, ...]) -> ClaimVerdict:
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
        beside=beside,
    )


def _evidence(part: Part) -> str:
    """Where a part's evidence comes from."""
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
    """A part holds if all its figures agree, is contradicted if none does, and otherwise holds in part."""
    unknown = [name for name in part.says if name not in found]
    if unknown:
        raise UsageError(f"{where}: {part.calculation} has no figure {unknown[0]!r}; it has {', '.join(found)}")
    judged = tuple(
        FigureVerdict(name, found[name], relation.in_words(), relation.holds_of(found[name]))
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


def judge_estimated(part: EstimatedPart, found: Estimate | None, adjusted: Adjusted) -> PartVerdict:
    """The verdict on a part from its estimate and its tests."""
    verdict: Verdict = "undecided"
    effect = interval = n = needed = None
    small = False
    if found is not None and found.contrast is not None:
        verdict = decide(part, found.contrast, adjusted.p_values)
        effect, n = unscaled(part.scale, found.contrast.mean), found.contrast.n
        low, high = (unscaled(part.scale, end) for end in found.contrast.interval)
        interval = (low, high)
        small = verdict in ("holds", "contradicted") and _may_be_small(part, found.contrast)
        if found.apart and verdict == "holds":
            verdict = "holds in part"
        needed = seeds_for(part, found.contrast, adjusted.level) if verdict == "undecided" else None
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
        p_value=None if found is None or found.contrast is None else deciding_p_value(adjusted.p_values),
        failed=found.failed if found else None,
        seeds_needed=needed,
        may_be_small=small,
        cautions=found.cautions if found else (),
    )


def _may_be_small(part: EstimatedPart, found: Contrast) -> bool:
    """Whether an effect that was shown may still be smaller than the smallest one of interest."""
    low, high = found.interval
    return part.expect in ("lower", "higher") and min(abs(end - null_of(part)) for end in (low, high)) < margin_of(part)


def tests_of(part: EstimatedPart) -> tuple[Test, ...]:
    """The tests that can decide a part."""
    if part.expect == "not higher":
        return ("upper margin",)
    return ("equivalence", "beyond the margin") if part.expect == "equal" else ("equivalence", "difference")


def p_values_of(part: EstimatedPart, found: Contrast | None) -> PValues:
    """The unadjusted p values of the tests that can decide a part; 1 without evidence."""
    if found is None:
        return dict.fromkeys(tests_of(part), 1.0)
    null, margin = null_of(part), margin_of(part)
    p_values: PValues = {
        "upper margin": found.p_differs(null + margin),
        "equivalence": max(found.p_below(null + margin), found.p_above(null - margin)),
        "beyond the margin": min(1.0, 2 * min(found.p_above(null + margin), found.p_below(null - margin))),
        "difference": found.p_differs(null),
    }
    return {test: p_values[test] for test in tests_of(part)}


def decide(part: EstimatedPart, found: Contrast, p_values: PValues) -> Verdict:
    """The decision rule, from the adjusted p values of a part's tests."""
    shown = {test for test, p_value in p_values.items() if p_value < ALPHA}
    if part.expect == "not higher":
        below = found.mean < null_of(part) + margin_of(part)
        return ("holds" if below else "contradicted") if shown else "undecided"
    if "equivalence" in shown:
        return "holds" if part.expect == "equal" else "equivalent"
    if not shown:
        return "undecided"
    if part.expect == "equal":
        return "contradicted"
    return "holds" if (found.mean > null_of(part)) == (part.expect == "higher") else "contradicted"


def deciding_p_value(p_values: PValues) -> float:
    """The adjusted p value of the test that decides: of equivalence if that is shown, else the smallest."""
    shown = p_values.get("equivalence", 1.0)
    return shown if shown < ALPHA else min(p_values.values())


def seeds_for(part: EstimatedPart, found: Contrast, level: float) -> int | None:
    """Seeds needed, at the spread found, to find a part's smallest effect, or to show that there is none so large."""
    return seeds_needed(found.spread, margin_of(part), part.expect == "equal", level)


def adjust(
    tests: Mapping[Key, float], primary: Callable[[Key], bool], most_true: int | None = None
) -> dict[Key, float]:
    """Adjust the p values of primary tests with Holm's method, all others with Benjamini and Hochberg's.

    At most `most_true` of the hypotheses of primary tests can be true together.
    """
    first = {key: p_value for key, p_value in tests.items() if primary(key)}
    others = {key: p_value for key, p_value in tests.items() if key not in first}
    return holm(first, most_true) | benjamini_hochberg(others)


def most_true_of(parts: Iterable[EstimatedPart]) -> int:
    """How many of the hypotheses that these parts' tests can reject can be true together.

    An effect cannot be zero and beyond the margin at once. It can be both within and beyond the margin, namely on it.
    """
    return sum(2 if part.expect == "equal" else 1 for part in parts)


def _adjusted(
    catalogue: Catalogue,
    parts: Mapping[tuple[str, int], EstimatedPart],
    estimates: Mapping[tuple[str, int], Estimate],
) -> dict[tuple[str, int], Adjusted]:
    tests: dict[tuple[str, int, Test], float] = {}
    for key, part in parts.items():
        found = estimates.get(key)
        for test, p_value in p_values_of(part, found.contrast if found else None).items():
            tests[*key, test] = p_value

    def primary(key: tuple[str, int, Test]) -> bool:
        return catalogue.claims[key[0]].primary

    most_true = most_true_of(part for (identifier, _), part in parts.items() if catalogue.claims[identifier].primary)
    p_values = adjust(tests, primary, most_true)
    level_of_primary = next_level_of_holm([p for key, p in p_values.items() if primary(key)], most_true)
    level_of_others = next_level_of_benjamini_hochberg([p for key, p in p_values.items() if not primary(key)])
    adjusted: dict[tuple[str, int], Adjusted] = {}
    for tested, p_value in p_values.items():
        identifier, index, test = tested
        level = level_of_primary if primary(tested) else level_of_others
        adjusted.setdefault((identifier, index), Adjusted(level=level)).p_values[test] = p_value
    return adjusted
