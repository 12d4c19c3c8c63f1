"""Several objectives: non-dominated ranks, the front, and its hypervolume. All objectives are minimised."""

from collections.abc import Sequence

import moocore
import numpy as np


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the non-dominated points; equal points are all kept."""
    if not points:
        return []
    kept = moocore.is_nondominated(np.asarray(points, dtype=float), keep_weakly=True)
    return [int(index) for index in np.flatnonzero(kept)]


def ranked(points: Sequence[Sequence[float]], count: int | None = None) -> list[int]:
    """Indices of the best `count` points (default: all), best first: by non-dominated rank, then spread out.

    Within a rank, the point with the lowest first objective comes first, then always the one farthest from those
    already taken. Objectives are scaled to [0, 1] by their range. Source: Schmucker et al. (2021), "Multi-objective
    asynchronous successive halving" (there "epsilon net", after Salinas et al.).
    """
    if not points:
        return []
    values = np.asarray(points, dtype=float)
    count = len(values) if count is None else count
    spread = np.ptp(values, axis=0)
    scaled = (values - values.min(axis=0)) / np.where(spread > 0, spread, 1)
    order: list[int] = []
    for members in fronts(points):
        if len(order) >= count:
            break
        order += _apart(scaled, members)
    return order[:count]


def fronts(points: Sequence[Sequence[float]]) -> list[list[int]]:
    """Indices grouped by non-dominated rank, the front first."""
    if not points:
        return []
    ranks = moocore.pareto_rank(np.asarray(points, dtype=float))
    return [[int(index) for index in np.flatnonzero(ranks == rank)] for rank in np.unique(ranks)]


def _apart(scaled: np.ndarray, members: Sequence[int]) -> list[int]:
    """The indices of one rank, in the order of `ranked`."""
    left = sorted(members, key=lambda index: (*scaled[index], index))
    order = [left[0]]
    rest = np.asarray(left[1:], dtype=int)
    distances = np.full(len(rest), np.inf)
    while len(rest):
        distances = np.minimum(distances, np.linalg.norm(scaled[rest] - scaled[order[-1]], axis=1))
        farthest = int(np.argmax(distances))
        order.append(int(rest[farthest]))
        rest, distances = np.delete(rest, farthest), np.delete(distances, farthest)
    return order


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume that the points dominate, up to the reference point; points beyond it add nothing."""
    inside = [point for point in points if all(value < most for value, most in zip(point, reference, strict=True))]
    if not inside:
        return 0.0
    return float(moocore.hypervolume(np.asarray(inside, dtype=float), ref=np.asarray(reference, dtype=float)))
