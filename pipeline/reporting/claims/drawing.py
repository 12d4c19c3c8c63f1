"""Intervals of effects as drawings in the table of verdicts."""

from dataclasses import dataclass

MOST_DRAWN = 4.0
"""Intervals are drawn up to this multiple of the smallest effect of interest."""


@dataclass(frozen=True)
class Drawn:
    """An effect and the ends of its interval, in units of the smallest effect of interest.

    Positive means in the claimed direction. Signs are unchanged if the source claims that there is no effect.
    """

    effect: float
    low: float
    high: float

    @property
    def description(self) -> str:
        """The drawing in words."""
        text = f"{self.effect:.1f} times the smallest effect of interest, interval {self.low:.1f} to {self.high:.1f}"
        return text.replace("-", "−")

    @property
    def places(self) -> tuple[float, float, float]:
        """Positions of effect, low and high: -1 is the left end, 1 the right end."""
        effect, low, high = (
            max(-MOST_DRAWN, min(MOST_DRAWN, value)) / MOST_DRAWN for value in (self.effect, self.low, self.high)
        )
        return effect, low, high

    @property
    def shown(self) -> bool:
        """Whether the effect is inside the drawing."""
        return abs(self.effect) <= MOST_DRAWN

    @property
    def runs_out(self) -> tuple[bool, bool]:
        """Whether the interval extends beyond the left end, and beyond the right end."""
        return self.low < -MOST_DRAWN, self.high > MOST_DRAWN
