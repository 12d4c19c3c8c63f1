"""The rule: from claims and their evidence to verdicts. Pure: equal evidence gives equal verdicts.

An empirical part *holds* where its contrast differs from none in the direction expected, *contradicted* where in the
other; where the contrast lies within the smallest effect worth speaking of, by two one-sided tests, it is *equivalent*
whatever else is shown (which is what a claim of equality needs to hold); all else is *undecided*. P values of the
parts of primary claims are adjusted by Holm's method, those of the others by Benjamini and Hochberg's, each over all
parts for which there is evidence.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.claims.catalogue import AnalyticPart, Catalogue, Claim, EmpiricalPart
from pipeline.claims.experiments import Experiment
from pipeline.claims.figures import Figures, figures
from pipeline.claims.inference import ALPHA, Contrast, benjamini_hochberg, contrast, holm, seeds_needed
from pipeline.claims.measures import taken, value_of
from pipeline.claims.verdicts import ClaimVerdict, FigureVerdict, PartVerdict, Verdict
from pipeline.errors import UsageError
from pipeline.evidence.records import GroupRecord, NetworkRecord, SeedRun

Records = Mapping[str, GroupRecord]
"""By experiment."""


@dataclass(frozen=True)
class Estimate:
    """A part's contrast, on its scale; `failed` trainings, of `trained`, among the arms compared."""

    contrast: Contrast | None
    failed: int
    trained: int


def judge(catalogue: Catalogue, records: Records) -> list[ClaimVerdict]:
    """Judge every claim; experiments without a record leave their parts undecided.

    Raises UsageError where a claim says something of a figure that is not calculated.
    """
    estimates = {
        (identifier, place): estimate(part, catalogue.experiments[part.experiment], records[part.experiment])
        for identifier, claim in catalogue.claims.items()
        for place, part in enumerate(claim.parts)
        if isinstance(part, EmpiricalPart) and part.experiment in records
    }
    adjusted = _adjusted(catalogue, estimates)

    def judged(identifier: str, claim: Claim) -> Iterator[PartVerdict]:
        for place, part in enumerate(claim.parts):
            if isinstance(part, AnalyticPart):
                yield judge_analytic(part, figures(part.calculation), identifier)
            else:
                record = records.get(part.experiment)
                key = (identifier, place)
                yield judge_empirical(part, estimates.get(key), adjusted.get(key), _scale_of(record))

    return [
        _claim(identifier, claim, tuple(judged(identifier, claim))) for identifier, claim in catalogue.claims.items()
    ]


def _claim(identifier: str, claim: Claim, parts: tuple[PartVerdict, ...]) -> ClaimVerdict:
    evidence = [
        f"calculation {part.calculation}" if isinstance(part, AnalyticPart) else f"experiment {part.experiment}"
        for part in claim.parts
    ]
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


def judge_empirical(part: EmpiricalPart, found: Estimate | None, adjusted_p: float | None, scale: str) -> PartVerdict:
    """The verdict on a part from its estimate and its p value, adjusted for all that is judged beside it."""
    verdict: Verdict = "undecided"
    effect = interval = n = needed = None
    if found is not None and found.contrast is not None:
        assert adjusted_p is not None
        verdict = decide(part, found.contrast, adjusted_p)
        back = math.exp if part.scale == "ratio" else float
        effect, n = back(found.contrast.mean), found.contrast.n
        interval = (back(found.contrast.interval[0]), back(found.contrast.interval[1]))
        needed = seeds_needed(found.contrast.spread, margin_of(part)) if verdict == "undecided" else None
    return PartVerdict(
        kind="empirical",
        measure=part.measure,
        verdict=verdict,
        effect=effect,
        unit=part.unit,
        interval=interval,
        n=n,
        scale=scale,
        expected=part.expect,
        smallest=part.smallest,
        p_value=adjusted_p,
        failed=found.failed if found else None,
        seeds_needed=needed,
    )


def decide(part: EmpiricalPart, found: Contrast, adjusted_p: float) -> Verdict:
    """The decision rule."""
    margin = margin_of(part)
    equivalent = -margin < found.inner[0] and found.inner[1] < margin
    shown = adjusted_p < ALPHA
    if part.expect == "equal":
        return "holds" if equivalent else "contradicted" if shown else "undecided"
    if equivalent:
        return "equivalent"
    if not shown:
        return "undecided"
    return "holds" if (found.mean > 0) == (part.expect == "higher") else "contradicted"


def margin_of(part: EmpiricalPart) -> float:
    """The smallest effect worth speaking of, on the scale on which contrasts are estimated."""
    return math.log(part.smallest) if part.scale == "ratio" else part.smallest


def estimate(part: EmpiricalPart, experiment: Experiment, record: GroupRecord) -> Estimate:
    """The contrast of a part over the seeds in which each of its arms has a value; none where an arm was not run."""
    arms = {network.name.removeprefix(f"{part.experiment}."): network for network in record.networks}
    members = {term: experiment.groups.get(term, (term,)) for term in part.contrast}
    if any(arm not in arms for names in members.values() for arm in names):
        return Estimate(None, 0, 0)
    runs = {arm: {run.seed: run for run in network.runs} for arm, network in arms.items()}
    seeds = sorted(set.union(*(set(runs[arm]) for names in members.values() for arm in names)))
    differences, classes = [], len(record.data.class_names)
    for seed in seeds:
        values = {
            term: _term(part, [(arms[arm], runs[arm][seed]) for arm in names if seed in runs[arm]], classes)
            for term, names in members.items()
        }
        if all(value is not None for value in values.values()):
            differences.append(sum(part.contrast[term] * _scaled(part, value) for term, value in values.items()))
    trained = [run for names in members.values() for arm in names for run in arms[arm].runs]
    return Estimate(contrast(differences), sum(run.state == "failed" for run in trained), len(trained))


def _term(part: EmpiricalPart, trained: Sequence[tuple[NetworkRecord, SeedRun]], classes: int) -> float | None:
    values = [
        (network, run, value_of(part.of, part.target, network, run, classes, part.figure)) for network, run in trained
    ]
    return taken(part.take, values, classes) if values else None


def _scaled(part: EmpiricalPart, value: float | None) -> float:
    assert value is not None
    return math.log(value) if part.scale == "ratio" else value


def _scale_of(record: GroupRecord | None) -> str:
    """At which scale an experiment was run."""
    if record is None or not record.networks:
        return ""
    network = record.networks[0]
    images = network.recipe.train_images or record.data.counts["train"]
    return f"{network.resolution} pixels, {network.recipe.epochs} epochs of {images:,} images, {record.profile}"


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
