"""Asynchronous successive halving for one objective or several: which trial goes on, given what all have told.

Trials train rung by rung on the schedule of their full horizon. Whenever a worker is free, a trial that is among the
best 1 / reduction of those that have reached its rung goes on to the next, the highest rung first; else a new trial
begins. Nobody waits for anybody. Trials at a rung are compared by non-dominated rank of their error there and their
costs. Sources: Li et al. (2020), "A system for massively parallel hyperparameter tuning" (ASHA); Schmucker et al.
(2021), "Multi-objective asynchronous successive halving".

Departure: never more than 1 / reduction of a rung go on. In the sources every newcomer that is among the best when it
arrives goes on, also where its like have gone on before, so that of 30 trials with two objectives 20 went on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.search.pareto import ranked


@dataclass(frozen=True)
class Standing:
    """What is known of a trial: its error at each rung it has reached, the costs among the objectives, and its state.

    `waiting`: it can go on. `training`: it is on its way to the next rung. Neither: it has ended.
    """

    number: int
    errors: tuple[float, ...]
    costs: tuple[float, ...]
    waiting: bool
    training: bool = False


Promotion = Callable[[Sequence[Standing], int, int], int | None]
"""(standings, number of rungs, reduction) -> the trial that goes on, or None where a new one should begin."""


def to_promote(standings: Sequence[Standing], rungs: int, reduction: int) -> int | None:
    """The number of the trial that goes on to its next rung, or None where a new trial should begin."""
    return _promoted(standings, rungs, reduction, bounded=True)


def to_promote_unbounded(standings: Sequence[Standing], rungs: int, reduction: int) -> int | None:
    """As the sources have it: however many of a rung have gone on before. Kept for comparison."""
    return _promoted(standings, rungs, reduction, bounded=False)


def to_finish(standings: Sequence[Standing], rungs: int) -> int | None:
    """The trial that goes on when none is to begin, none is training and none has come to the end: the furthest, best.

    So a search with fewer trials than it takes to fill a rung ends with a network that is trained in full all the same.
    """
    if any(len(standing.errors) == rungs for standing in standings):
        return None
    for rung in reversed(range(rungs - 1)):
        able = [standing for standing in standings if standing.waiting and len(standing.errors) == rung + 1]
        if able:
            (best,) = ranked([(standing.errors[rung], *standing.costs) for standing in able], 1)
            return able[best].number
    return None


def _promoted(standings: Sequence[Standing], rungs: int, reduction: int, bounded: bool) -> int | None:
    for rung in reversed(range(rungs - 1)):
        arrived = [standing for standing in standings if len(standing.errors) > rung]
        places = len(arrived) // reduction
        gone = sum(len(s.errors) > rung + 1 or s.training for s in arrived)
        able = {standing.number for standing in arrived if standing.waiting and len(standing.errors) == rung + 1}
        if not able or (bounded and gone >= places):
            continue
        best = ranked([(s.errors[rung], *s.costs) for s in arrived], places)
        for index in best:
            if arrived[index].number in able:
                return arrived[index].number
    return None


def changes_to_end(complete: Sequence[Sequence[float]], rungs: int) -> tuple[float, ...]:
    """For each rung how errors change from there to the last one: the median over the complete trials' curves.

    Without any, nothing is taken to change.
    """
    if not complete:
        return (0.0,) * rungs
    errors = np.asarray(complete, dtype=float)
    return tuple(float(change) for change in np.median(errors[:, -1:] - errors, axis=0))


def expected_error(curve: Sequence[float], changes: Sequence[float]) -> float | None:
    """A trial's error at the last rung, estimated where it has not come so far; None where it has told none.

    A sampler so learns from trials that were stopped early, on the scale of those that were not.
    """
    return max(0.0, curve[-1] + changes[len(curve) - 1]) if curve else None
