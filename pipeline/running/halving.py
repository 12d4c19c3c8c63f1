"""Successive halving: all trials train a little, the better part goes on, until the best have trained in full.

Pure bookkeeping: who trains on, and up to which epoch, given what is known. Every trial follows the schedule of its
full horizon, so a trial that goes on continues from its checkpoint, and a stopped one leaves the start of its curve.
Source: Jamieson & Talwalkar (2016), "Non-stochastic best arm identification", within one bracket.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=float | int | str)


@dataclass(frozen=True)
class Curve:
    """What is known of one trial: its error after each epoch, and whether it has failed (and so trains no more)."""

    errors: tuple[float, ...] = ()
    failed: bool = False


def rungs(epochs: int, reduction: int | None, first: int = 1) -> tuple[int, ...]:
    """The epochs at which trials are compared: first, first x r, first x r^2, ... and the last; without r the last.

    A rung nearer to the last than half a step, a factor of sqrt(r), is left out: what trains so far might as well end.
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

    Of n trials at a rung the best ceil(n / reduction) go on, the one of the smaller key among equals. If all of those
    fail on their way, the best of the others takes their place.
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
    """The trial of the lowest error after `epochs`, the smaller key of equals; None where none has come so far."""
    finished = {key: curve for key, curve in curves.items() if not curve.failed and len(curve.errors) >= epochs}
    return min(finished, key=lambda key: (finished[key].errors[epochs - 1], key), default=None)
