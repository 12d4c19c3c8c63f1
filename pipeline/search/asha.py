"""Asynchronous successive halving for one objective or several: which trial goes on, given what all have told.

Trials train rung by rung on the schedule of their full horizon. Whenever a worker is free, a trial that is among the
best 1 / reduction of those that have reached its rung goes on to the next, the highest rung first; else a new trial
begins. Nobody waits for anybody. Trials at a rung are compared by non-dominated rank of their error there and their
costs. Sources: Li et al. (2020), "A system for massively parallel hyperparameter tuning" (ASHA); Schmucker et al.
(2021), "Multi-objective asynchronous successive halving".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.search.pareto import ranked


@dataclass(frozen=True)
class Standing:
    """What is known of a trial: its error at each rung it has reached, the costs among the objectives, and its state.

    `waiting`: it is neither training nor ended, so it can go on. Without the error among the objectives, `errors` still
    tells how far it is.
    """

    number: int
    errors: tuple[float, ...]
    costs: tuple[float, ...]
    waiting: bool


def to_promote(standings: Sequence[Standing], rungs: int, reduction: int) -> int | None:
    """The number of the trial that goes on to its next rung, or None where a new trial should begin."""
    for rung in reversed(range(rungs - 1)):
        arrived = [standing for standing in standings if len(standing.errors) > rung]
        able = {standing.number for standing in arrived if standing.waiting and len(standing.errors) == rung + 1}
        if not able:
            continue
        best = ranked([(s.errors[rung], *s.costs) for s in arrived], len(arrived) // reduction)
        for place in best:
            if arrived[place].number in able:
                return arrived[place].number
    return None


def expected_errors(curves: Sequence[Sequence[float]], rungs: int) -> list[float | None]:
    """For each trial its error at the last rung, estimated where it has not come so far; None where it has told none.

    Estimated from the rung it has reached by the median change from there to the end among those that have got there.
    A sampler so learns from trials that were stopped early, on the scale of those that were not.
    """
    finished = [curve for curve in curves if len(curve) == rungs]
    change = [
        float(np.median([curve[-1] - curve[rung] for curve in finished])) if finished else 0.0 for rung in range(rungs)
    ]
    return [max(0.0, curve[-1] + change[len(curve) - 1]) if curve else None for curve in curves]
