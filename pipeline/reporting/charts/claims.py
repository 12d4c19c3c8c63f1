"""Charts of claims about arms: one point per seed, or round of a timing, and the mean with its interval.

Claims that use the same measure of an experiment share one chart.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import altair as alt

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.estimates import ClaimRecords, arms_of, timed_values
from pipeline.claims.experiments import Experiment
from pipeline.claims.measures import MeasureName, taken, value_of
from pipeline.claims.parts import AnalyticPart, EmpiricalPart, Part, PopulationPart, RankingPart, TimedPart
from pipeline.claims.timings.plans import TimingRecord
from pipeline.evidence.records import GroupRecord, cut_to_percent
from pipeline.evidence.statistics import mean_interval
from pipeline.reporting.charts.chart import Figure, specification, vega_axis, vega_scale
from pipeline.reporting.charts.distributions import distribution_figure, ranking_figure
from pipeline.reporting.charts.layout import scale_of
from pipeline.reporting.formatting import number, sentence, slug

_ROW_PX, _MEAN_BELOW_PX = 36, 9
_TITLES: dict[MeasureName, str] = {
    "validation error": "validation error (%)",
    "test error": "test error (%)",
    "training loss": "training loss (nats)",
    "validation loss": "validation loss (nats)",
    "loss gap": "validation loss minus training loss (nats)",
    "widest loss gap": "largest validation loss minus training loss of any epoch (nats)",
    "epochs to loss": "epochs to a training loss of {target:g}",
    "validation loss at training loss": "validation loss at a training loss of {target:g} (nats)",
    "gradient norm": "gradient norm in the first epoch",
    "trains": "1: better than guessing, 0: not",
    "seconds an image": "seconds per image",
    "learning rate": "learning rate",
}
_PERCENT = (_TITLES["validation error"], _TITLES["test error"])
assert set(_TITLES) | {"probe"} == set(get_args(MeasureName))

Values = Mapping[str, Mapping[int, float]]
"""Arm -> seed (or round) -> measured value."""


def key_of(part: Part) -> str | None:
    """The key of the chart that shows a part; None for a calculated part."""
    match part:
        case AnalyticPart():
            return None
        case TimedPart():
            return slug(f"timing {part.timing} {part.of}")
        case RankingPart():
            return slug(f"ranking {part.cheap} {part.dear}")
        case PopulationPart():
            return slug(f"experiment {part.experiment} {part.better} {part.than}")
    probe, target = " ".join(part.figure or ()), "" if part.target is None else f"{part.target:g}"
    return slug(f"experiment {part.experiment} {part.of} {probe} {target} {'' if part.take == 'mean' else part.take}")


def figures_of_claims(catalogue: Catalogue, evidence: ClaimRecords) -> dict[str, Figure]:
    """Key -> chart, in the order of the claims; charts without data are left out."""
    wanted: dict[str, list[Part]] = {}
    for claim in catalogue.claims.values():
        for part in claim.parts:
            key = key_of(part)
            if key is not None:
                wanted.setdefault(key, []).append(part)
    drawn = {key: _figure(key, parts, catalogue, evidence) for key, parts in wanted.items()}
    return {key: figure for key, figure in drawn.items() if figure is not None}


def _figure(key: str, parts: Sequence[Part], catalogue: Catalogue, evidence: ClaimRecords) -> Figure | None:
    first = parts[0]
    if isinstance(first, TimedPart):
        timing = evidence.timings.get(first.timing)
        return timing_figure(key, first, timing) if timing and timing.arms else None
    if isinstance(first, RankingPart):
        pairs = evidence.rankings.get((first.cheap, first.dear))
        return ranking_figure(key, first, pairs) if pairs else None
    assert isinstance(first, EmpiricalPart | PopulationPart)
    record = evidence.experiments.get(first.experiment)
    if record is None or not record.networks:
        return None
    if isinstance(first, PopulationPart):
        return distribution_figure(key, (first.better, first.than), record)
    alike = [part for part in parts if isinstance(part, EmpiricalPart)]
    return experiment_figure(key, alike, catalogue.experiments[first.experiment], record)


def experiment_figure(
    key: str, parts: Sequence[EmpiricalPart], experiment: Experiment, record: GroupRecord
) -> Figure | None:
    """One measure of an experiment's arms, one point per seed; of groups of arms if the parts compare groups."""
    part, arms = parts[0], arms_of(record)
    compared = list(dict.fromkeys(term for item in parts for term in item.contrast))
    terms = compared if any(term in experiment.groups for term in compared) else list(arms)
    classes = len(record.data.class_names)
    values: dict[str, dict[int, float]] = {}
    missing: dict[str, int] = {}
    for term in terms:
        members = [arms[arm] for arm in experiment.groups.get(term, (term,)) if arm in arms]
        for seed in sorted({run.seed for member in members for run in member.runs}):
            trained = [(member, run) for member in members for run in member.runs if run.seed == seed]
            found = taken(
                part.take,
                [(n, run, value_of(part.of, part.target, n, run, classes, part.figure)) for n, run in trained],
                classes,
            )
            if found is None or not math.isfinite(found):
                missing[term] = missing.get(term, 0) + 1
            else:
                values.setdefault(term, {})[seed] = found
    omitted = tuple(f"{count} of {term} without a value" for term, count in missing.items())
    title = _axis_title(part)
    return _dots(key, title, values, "seed", part.scale == "ratio", omitted, in_percent=title in _PERCENT)


def timing_figure(key: str, part: TimedPart, record: TimingRecord) -> Figure | None:
    """Milliseconds or MiB per batch, one point per round."""
    unit, scale = ("MiB", 2**-20) if part.of == "peak memory" else ("ms", 1000.0)
    values = {
        name: {index: scale * value for index, value in enumerate(timed_values(part.of, arm), start=1)}
        for name, arm in record.arms.items()
    }
    return _dots(key, f"{part.of} ({unit} per batch of {record.batch_size})", values, "round", True, ())


def _axis_title(part: EmpiricalPart) -> str:
    if part.figure is not None:
        return f"{part.figure[0]}: {part.figure[1]}"
    if part.take == "highest rate that trains":
        return f"highest {part.of} that trains"
    return _TITLES[part.of].format(target=part.target)


def _dots(
    key: str, title: str, values: Values, repeat: str, log: bool, omitted: tuple[str, ...], in_percent: bool = False
) -> Figure | None:
    """One row of points per arm, lines between points of the same seed, and below each row the mean with its interval.

    Intervals of errors `in_percent` are cut at 0 and 100.
    """
    rows: list[dict[str, Any]] = []
    described = []
    for index, (arm, by_repeat) in enumerate(values.items()):
        for number_, value in by_repeat.items():
            about = f"{number(value)}, {repeat} {number_}"
            rows.append({"kind": "seed", "arm": arm, "place": index, "repeat": number_, "x": value, "told": about})
        found = mean_interval(list(by_repeat.values()))
        mean = cut_to_percent(found) if in_percent else found
        assert mean is not None
        low, high = mean.interval or (mean.mean, mean.mean)
        about = f"{number(mean.mean)} ({f'{number(low)} to {number(high)}, ' if mean.interval else ''}n = {mean.n})"
        rows.append(
            {"kind": "mean", "arm": arm, "place": index, "x": mean.mean, "low": low, "high": high, "told": about}
        )
        described.append(f"{arm} {about}")
    if not rows:
        return None
    seen = [row["x"] for row in rows]
    x_scale = scale_of([*seen, *_ends_near(seen, rows)], log=True if log and min(seen) > 0 else None)
    arms = list(values)
    base = alt.Chart(alt.NamedData(name="rows")).encode(
        alt.X("x:Q", title=title, scale=vega_scale(x_scale), axis=vega_axis(x_scale)),
        alt.Y("arm:N", title=None, sort=arms, axis=alt.Axis(labelLimit=170, labelFontSize=12)),
    )
    seeds, means = base.transform_filter("datum.kind === 'seed'"), base.transform_filter("datum.kind === 'mean'")
    layers = (
        seeds.mark_line(style="context", aria=False).encode(detail="repeat:N", order="place:Q"),
        means.mark_rule(style="interval", strokeWidth=2, yOffset=_MEAN_BELOW_PX, clip=True, aria=False).encode(
            alt.X("low:Q"), alt.X2("high:Q")
        ),
        means.mark_point(style="mean", shape="diamond", size=60, yOffset=_MEAN_BELOW_PX, aria=False),
        seeds.mark_point(style="seed", shape="circle", size=44, aria=False),
        base.mark_point(shape="circle", size=160, filled=True, opacity=0).encode(
            description=alt.Description("told:N"),
            tooltip=[alt.Tooltip("arm:N", title="title"), alt.Tooltip("told:N", title=title)],
        ),
    )
    return Figure(
        kind="dots",
        identifier=key,
        title=sentence(title),
        specifications=(specification(alt.layer(*layers), _ROW_PX * len(arms)),),
        rows=tuple(rows),
        omitted=omitted,
        description=f"{title}, mean with 95 % interval: {'; '.join(described)}",
    )


def _ends_near(seen: Sequence[float], rows: Sequence[dict[str, Any]]) -> list[float]:
    """Ends of intervals near the values. Other ends are cut at the edge of the chart.

    Two seeds can give an interval many times wider than the range of all values.
    """
    low, high = min(seen), max(seen)
    room = (high - low) / 2
    ends = [row[end] for row in rows if row["kind"] == "mean" for end in ("low", "high")]
    return [end for end in ends if low - room <= end <= high + room and (end > 0 or low <= 0)]
