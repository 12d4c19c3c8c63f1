"""Claims with their verdicts and figures, and the published population, as pandas tables."""

from typing import TYPE_CHECKING

from convstudy.places import workspace

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.reporting.charts.chart import Figure


def claims(identifier: str | None = None, *, parts: bool = False) -> "pd.DataFrame":
    """Show which claims hold. Evidence of this workspace is used where there is some, else published evidence.

    Args:
        identifier: one claim, such as "V4"; None: all.
        parts: list the parts of the claims, with effects and intervals, instead of the claims.

    Returns:
        One row per claim with index `id`; or one row per part with index `id` and `part` (from 1).

    Columns:
        theme: depth, width, cost, normalisation, connections or design spaces.
        primary: whether the study was planned for it.
        statement: what the source says.
        source: section of the source.
        verdict: holds, holds in part, contradicted, equivalent, undecided or not testable here.
        parts: its parts, with the fields below.
        evidence: the calculations and records that decided it.
        remark: what a reader must know.
        beside: further figures for information, not judged.
        own: whether it is one of your own claims.

    Columns of parts:
        kind: analytic (calculated) or empirical (measured).
        measure: what was calculated or measured.
        verdict: as for claims.
        effect: calculated or estimated effect, in `unit`.
        unit: unit of the effect, the interval, `against` and `smallest`.
        interval_low, interval_high: 95 % interval of the effect.
        n: number of seeds, or of rounds for a timing, or of networks for a population.
        scale: sizes at which it was calculated or measured.
        figures: calculated figures of an analytic part, each with the value that the source gives.
        expected: direction that the source claims: lower, higher, equal or not higher.
        against: value that the effect is compared with; missing for 0, or for 1 if the effect is a factor.
        smallest: smallest effect of interest.
        p_value: adjusted p value of the deciding test.
        failed: number of compared trainings that failed.
        seeds_needed: for an undecided part, the `n` that would find the smallest effect with a probability of 80 %.
        may_be_small: whether the effect was shown, but may be smaller than the smallest one of interest.
        cautions: what a reader must know about the compared networks.

    Raises:
        UsageError: there is no such claim. The message names the nearest one.

    >>> convstudy.claims().loc["B1", "verdict"]
    'holds'
    >>> bool(convstudy.claims("B1", parts=True)[["effect", "interval_low"]].notna().all(axis=None))
    True
    """
    from pipeline.actions.claims import judge_claims
    from pipeline.actions.tables import claims_table, parts_table

    verdicts = judge_claims(workspace(), identifier).verdicts
    return parts_table(verdicts) if parts else claims_table(verdicts)


def figures(identifier: str) -> "list[Figure]":
    """Draw the report's figures for one claim. They show every seed.

    Args:
        identifier: a claim, such as "V4".

    Returns:
        The figures; none if nothing was measured for this claim. A notebook displays each; `figure.png()` returns its
        bytes.

    Raises:
        UsageError: there is no such claim. The message names the nearest one.

    >>> convstudy.figures("B1")[0].png()[1:4]
    b'PNG'
    """
    from pipeline.actions.claims import claim_figures

    return claim_figures(workspace(), identifier)


def population() -> "pd.DataFrame":
    """The published population: networks drawn at random from the design spaces, all trained in the same way.

    Returns:
        One row per network. The index is `number`.

    Columns:
        family: design family.
        validation_error_percent: after a short training.
        macs: multiply-accumulates per image.
        params: number of parameters.
        activations: number of output elements of the convolutions, per image.
        train_seconds: seconds of the short training.
        full_validation_error_percent: after a long training on all images; missing for networks without one.
        config: {"family": …, "config": {…}}; `train` and `profile` take it.
        values: its point in the design space, by parameter.
        errors: seed -> validation errors in percent after each epoch of the short training.

    Raises:
        UsageError: the workspace has no published population.

    >>> population = convstudy.population()
    >>> len(population) > 200, population["macs"].dtype
    (True, dtype('int64'))
    """
    from pipeline.actions.tables import population_table

    return population_table(workspace())
