"""Asynchronous successive halving for one or several objectives: selects the trial that trains on.

Trials train rung by rung on the schedule of their full horizon. When a worker is free, a trial among the best
1 / reduction of those at its rung trains on to the next rung; higher rungs come first. If there is none, a new trial
begins. No trial waits for another. Trials at a rung are compared by the non-dominated rank of their error there and
their costs. Sources: Li et al. (2020), "A system for massively parallel hyperparameter tuning" (ASHA); Schmucker et al.
(2021), "Multi-objective asynchronous successive halving".

Difference from the sources: at most 1 / reduction of a rung train on. In the sources each new trial that is among the
best when it arrives trains on, no matter how many did so before. Then 20 of 30 trials with two objectives trained on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.search.pareto import ranked


@dataclass(frozen=True)
class Standing:
    """A trial's error at each rung it has reached, its costs among the objectives, and its state.

    `waiting`: it can train on. `training`: it is training to the next rung. Neither: it has ended.
    """

    number: int
    errors: tuple[float, ...]
    costs: tuple[float, ...]
    waiting: bool
    training: bool = False


Promotion = Callable[[Sequence[Standing], int, int], int | None]
"""(standings, number of rungs, reduction) -> the trial that trains on, or None if a new one should begin."""


def to_promote(standings: Sequence[Standing], rungs: int, reduction: int) -> int | None:
    """The number of the trial that trains on to its next rung, or None if a new trial should begin."""
    return _promoted(standings, rungs, reduction, bounded=True)


def to_promote_unbounded(standings: Sequence[Standing], rungs: int, reduction: int) -> int | None:
    """As in the sources, with no limit on how many trials of a rung train on. Kept for comparison."""
    return _promoted(standings, rungs, reduction, bounded=False)


def to_finish(standings: Sequence[Standing], rungs: int) -> int | None:
    """The best trial at the highest rung, if none can begin, none is training and none is complete; else None.

    So a search with too few trials to fill a rung also ends with a fully trained network.
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
    """How errors change from each rung to the last one: the median over the complete trials; zero if there is none."""
    if not complete:
        return (0.0,) * rungs
    errors = np.asarray(complete, dtype=float)
    return tuple(float(change) for change in np.median(errors[:, -1:] - errors, axis=0))


def expected_error(curve: Sequence[float], changes: Sequence[float]) -> float | None:
    """A trial's error at the last rung, estimated if it was stopped before; None if it reached no rung.

    So a sampler can learn from stopped trials on the same scale as from complete ones.
    """
    return max(0.0, curve[-1] + changes[len(curve) - 1]) if curve else None
