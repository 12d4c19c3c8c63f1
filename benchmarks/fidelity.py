"""How well cheap trainings rank networks: rank correlations in the population, with intervals.

A cheap training uses fewer images or epochs than the full one. Correlations are Spearman's over networks trained in
both ways; 95 % intervals come from a bootstrap over networks. The correlation with a second seed of the same training
is the upper limit set by noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from pipeline.evidence.population import (
    FullTrainings,
    Pairs,
    PopulationTable,
    full_way,
    paired_errors,
    short_way,
    table_rungs,
)

RESAMPLES = 2_000
FEWEST_NETWORKS = 10


@dataclass(frozen=True)
class RankCorrelation:
    """Rank correlation of two trainings over `n` networks; `share`: images of the cheap one over the dear one's."""

    cheap: str
    dear: str
    share: float
    value: float
    interval: tuple[float, float]
    n: int


def rank_correlations(table: PopulationTable, full: FullTrainings | None) -> list[RankCorrelation]:
    """Correlations of early epochs, of the short training and of another seed, with the short and the full training."""
    shares = _shares(table, full)
    found = [
        _between(cheap, dear, shares[cheap, dear], pairs) for (cheap, dear), pairs in paired_errors(table, full).items()
    ]
    return [item for item in found if item is not None]


def _shares(table: PopulationTable, full: FullTrainings | None) -> dict[tuple[str, str], float]:
    """(cheap, dear) -> images of the cheap training over those of the dear one."""
    epochs = table.plan.recipe.epochs
    shares = {(short_way(k, epochs), "short"): k / epochs for k in table_rungs(epochs)}
    shares["short", "short, another seed"] = 1.0
    if full is not None:
        whole = short_share(table, full)
        shares |= {(short_way(k, epochs), "full"): whole * k / epochs for k in table_rungs(epochs)}
        long = full.recipe.epochs
        shares |= {(full_way(k, long), "full"): k / long for k in table_rungs(long)}
    return shares


def short_share(table: PopulationTable, full: FullTrainings) -> float:
    """Images of the short training over those of the full training."""
    short = table.plan.recipe
    assert short.train_images is not None
    return short.epochs * short.train_images / (full.recipe.epochs * full.train_images)


def _between(cheap: str, dear: str, share: float, pairs: Pairs) -> RankCorrelation | None:
    if len(pairs) < FEWEST_NETWORKS:
        return None
    values = np.array(pairs)
    generator = np.random.default_rng(0)
    drawn = [values[generator.integers(len(values), size=len(values))] for _ in range(RESAMPLES)]
    low, high = np.quantile([_spearman(resample) for resample in drawn], [0.025, 0.975])
    return RankCorrelation(cheap, dear, share, _spearman(values), (float(low), float(high)), len(values))


def _spearman(values: np.ndarray) -> float:
    return float(spearmanr(values[:, 0], values[:, 1]).statistic)


def tabulate(found: Sequence[RankCorrelation]) -> str:
    """The correlations as a Markdown table."""
    titles = ("cheap training", "compared with", "share of its images", "rank correlation", "95 % interval", "networks")
    lines = [f"| {' | '.join(titles)} |", "|---|---|--:|--:|--:|--:|"]
    for item in found:
        lines.append(
            f"| {item.cheap} | {item.dear} | {item.share:.1%} | {item.value:.2f} | {item.interval[0]:.2f} to "
            f"{item.interval[1]:.2f} | {item.n} |"
        )
    return "\n".join(lines)
