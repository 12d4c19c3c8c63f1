"""Scales, ticks and label positions of charts. Computing them here makes browser and PNG show the same."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

_CHARACTER_PX, _LINE_PX, _POINT_PX, _GAP_PX = 5.9, 12.0, 7.0, 9.0

Align = Literal["left", "right", "center"]
_SIDES: tuple[tuple[Align, float, float], ...] = (
    ("left", _GAP_PX, 0.0),
    ("right", -_GAP_PX, 0.0),
    ("center", 0.0, -14.0),
    ("center", 0.0, 14.0),
    *(("left", _GAP_PX, dy) for dy in (-11.0, 11.0)),
    *(("right", -_GAP_PX, dy) for dy in (-11.0, 11.0)),
    *(("center", 0.0, dy) for dy in (-24.0, 24.0)),
    *(("left", _GAP_PX, dy) for dy in (-20.0, 20.0)),
    *(("right", -_GAP_PX, dy) for dy in (-20.0, 20.0)),
)
"""Possible label positions relative to a point, best first: alignment, dx, dy in pixels."""

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class AxisScale:
    """An axis: linear or logarithmic, its domain and its ticks."""

    kind: Literal["linear", "log"]
    domain: tuple[float, float]
    ticks: tuple[float, ...]

    def fraction(self, value: float) -> float:
        """Position of `value` on the axis: 0 and 1 are the ends."""
        low, high = self.domain
        if self.kind == "log":
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


def scale_of(values: Iterable[float], log: bool | None = None, ticks: int = 6, margin: float = 0.07) -> AxisScale:
    """A scale that holds all `values` with some margin.

    Args:
        values: what is drawn, not empty.
        log: logarithmic or not; None: logarithmic if the values span more than a factor of 4. The scale is always
            linear if a value is not positive.
        ticks: maximum number of ticks.
        margin: free space on either side, as a share of the span.
    """
    drawn = list(values)
    low, high = min(drawn), max(drawn)
    if low > 0 and (high / low > 4 if log is None else log):
        factor = (high / low) ** margin if high > low else 1.5
        domain = (low / factor, high * factor)
        return AxisScale("log", domain, _log_ticks(domain, ticks))
    room = (high - low) * margin if high > low else max(abs(high) * 0.1, 0.5)
    domain = (low - room if low - room > 0 or low < 0 else 0.0, high + room)
    return AxisScale("linear", domain, _linear_ticks(domain, ticks))


@dataclass(frozen=True)
class Place:
    """Position of a point's label: offsets in pixels from the point; `text` is "" if there was no room."""

    text: str
    align: Align
    dx: float
    dy: float


def place_labels(
    texts: Sequence[str],
    points: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    width: float,
    height: float,
) -> list[Place]:
    """Place labels next to their points so that they overlap nothing. Earlier labels choose first.

    Args:
        texts: one label per point.
        points: (x, y) in pixels from the upper left corner.
        obstacles: other boxes to keep free: error bars, lines.
        width: of the plot in pixels.
        height: of the plot in pixels.

    Returns:
        A place for each label.
    """
    taken: list[Box] = [(x - _POINT_PX, y - _POINT_PX, x + _POINT_PX, y + _POINT_PX) for x, y in points]
    taken += obstacles
    places = []
    for text, (x, y) in zip(texts, points, strict=True):
        wide = len(text) * _CHARACTER_PX
        for align, dx, dy in _SIDES:
            left = x + dx - {"left": 0, "center": wide / 2, "right": wide}[align]
            box = (left, y + dy - _LINE_PX / 2, left + wide, y + dy + _LINE_PX / 2)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                places.append(Place(text, align, dx, dy))
                break
        else:
            places.append(Place("", "left", 0.0, 0.0))
    return places


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _log_ticks(domain: tuple[float, float], count: int) -> tuple[float, ...]:
    """The densest set of round ticks with at most `count`, for example 1, 2 and 5 times powers of ten."""
    low, high = domain
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = tuple(_tidy(digit, power) for power in powers for digit in digits)
        inside = tuple(tick for tick in found if low <= tick <= high)
        if 2 <= len(inside) <= count:
            return inside
    tens = [tick for tick in (_tidy(1, power) for power in powers) if low <= tick <= high]
    if len(tens) > count:
        return tuple(tens[:: math.ceil(len(tens) / count)])
    return _linear_ticks(domain, count)


def _linear_ticks(domain: tuple[float, float], count: int) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten, at most `count` of them."""
    low, high = domain
    power = math.floor(math.log10((high - low) / count))
    for digit in (1, 2, 5, 10, 20):
        step = _tidy(digit, power)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < count:
            break
    return tuple(round(index * step, 12) for index in range(first, last + 1))


def _tidy(digit: float, power: int) -> float:
    """`digit` times ten to the power of `power`, without rounding error."""
    return float(f"{digit}e{power}")
