"""Successive halving: all trials train for a few epochs, then only the better ones, until the best have finished.

Pure functions: given the errors so far, they say which trials train on, and until which epoch. Each trial follows the
learning-rate schedule of its full horizon, so a promoted trial resumes from its checkpoint, and the curve of a stopped
one is the start of its full curve.
Source: Jamieson & Talwalkar (2016), "Non-stochastic best arm identification", within one bracket.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=float | int | str)


@dataclass(frozen=True)
class Curve:
    """One trial so far: its error after each epoch, and whether it has failed (it then trains no more)."""

    errors: tuple[float, ...] = ()
    failed: bool = False


def rungs(epochs: int, reduction: int | None, first: int = 1) -> tuple[int, ...]:
    """The epochs at which trials are compared: first, first x r, first x r^2, … and the last; without r, only the last.

    A rung within a factor of sqrt(r) of the last one is left out: stopping there would save little.
    """
    if reduction is None:
        return (epochs,)
    if reduction < 2:
        raise ValueError(f"reduction (={reduction}) must be at least 2")
    if not 1 <= first <= epochs:
        raise ValueError(f"first rung (={first}) must be an epoch, from 1 to {epochs}")
    steps = (first * reduction**power for power in range(epochs.bit_length()))
    below = [step for step in steps if step * math.sqrt(reduction) <= epochs]
    return (*(step for step in below if step < epochs), epochs)


def going_on(curves: Mapping[Key, Curve], at: Sequence[int], reduction: int | None) -> dict[Key, int]:
    """Which trials train on, and until which epoch; empty once the last rung has been reached.

    At each rung the best ceil(n / reduction) of n trials are promoted; ties go to the smaller key. If all of these fail
    before the next rung, the best of the others takes their place.
    """
    standing, reserve = sorted(curves), list[Key]()
    for rung in at:
        missing = {key: rung for key in standing if not curves[key].failed and len(curves[key].errors) < rung}
        if missing:
            return missing
        ranked = sorted(
            (key for key in standing if not curves[key].failed), key=lambda key: (curves[key].errors[rung - 1], key)
        )
        while not ranked and reserve:
            key = reserve.pop(0)
            if not curves[key].failed and len(curves[key].errors) < rung:
                return {key: rung}
            ranked = [] if curves[key].failed else [key]
        kept = math.ceil(len(standing) / (reduction or 1))
        standing, reserve = ranked[:kept], ranked[kept:] + reserve
    return {}


def best(curves: Mapping[Key, Curve], epochs: int) -> Key | None:
    """The trial with the lowest error after `epochs`; ties go to the smaller key. None if there is none."""
    finished = {key: curve for key, curve in curves.items() if not curve.failed and len(curve.errors) >= epochs}
    return min(finished, key=lambda key: (finished[key].errors[epochs - 1], key), default=None)
