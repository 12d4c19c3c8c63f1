"""Verdicts on claims and their parts, as `convstudy claims --json` and the report show them."""

import itertools
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from pydantic.dataclasses import dataclass

from pipeline.schema import STRICT

Verdict = Literal["holds", "holds in part", "contradicted", "equivalent", "undecided", "not testable here"]
FEWEST_REPEATS = 4
"""With fewer, Student's intervals are so wide that they say almost nothing."""


@dataclass(frozen=True, config=STRICT)
class FigureVerdict:
    """A calculated figure, the value that the source says it has, and whether this is confirmed."""

    name: str
    value: float
    said: str
    holds: bool


@dataclass(frozen=True, config=STRICT)
class PartVerdict:
    """The verdict on one part: `effect` in `unit`, its `interval` if estimated, its `figures` if calculated.

    Attributes:
        n: seeds (for a timing: rounds; for a population: networks) that estimate the effect.
        scale: sizes for which it was calculated or measured.
        figures: of an analytic part. The attributes below are of an empirical one.
        expected: direction that the source claims.
        against: value that the effect is compared with; None for 0, or for 1 if the effect is a factor.
        smallest: smallest effect of interest.
        p_value: adjusted p value of the test that decides.
        failed: number of compared trainings that failed.
        seeds_needed: of an undecided part: how many of what `n` counts would find the smallest effect with a
            probability of 80 %, as one more verdict among those of all claims.
        may_be_small: the effect was shown, but its interval reaches below the smallest one of interest.
        cautions: what a reader must know about the arms.
    """

    kind: Literal["analytic", "empirical"]
    measure: str
    verdict: Verdict
    effect: float | None
    unit: str
    interval: tuple[float, float] | None
    n: int | None
    scale: str
    figures: tuple[FigureVerdict, ...] = ()
    expected: Literal["lower", "higher", "equal", "not higher"] | None = None
    against: float | None = None
    smallest: float | None = None
    p_value: float | None = None
    failed: int | None = None
    seeds_needed: int | None = None
    may_be_small: bool = False
    cautions: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader needs to read the effect: the claimed value, the test's margin, and weak evidence."""
        notes, margin = [], "" if self.smallest is None else self._amount(self.smallest)
        if self.against is not None:
            direction = {"lower": "below ", "higher": "above "}.get(self.expected or "", "")
            notes.append(f"claimed: {direction}{self._amount(self.against)}")
        if self.expected in ("equal", "not higher"):
            tested = "equality" if self.expected == "equal" else "“not higher”"
            notes.append(f"test of {tested}, margin {margin}")
        if self.may_be_small:
            notes.append(f"the interval includes effects below the smallest of interest, {margin}")
        if self.n is not None and self.n < FEWEST_REPEATS:
            notes.append("too few repeats for a useful interval")
        return tuple(notes)

    def _amount(self, value: float) -> str:
        return f"{value:g}" if self.unit in ("probability", "rank correlation") else f"{value:g} {self.unit}"


@dataclass(frozen=True, config=STRICT)
class Aside:
    """A figure for information: its interval, if any, is not adjusted for multiple comparisons.

    `effect` is None if there is no record yet; `scale` is the size at which it was measured.
    """

    measure: str
    effect: float | None
    unit: str
    interval: tuple[float, float] | None = None
    n: int | None = None
    scale: str = ""
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class ClaimVerdict:
    """One claim with the verdicts of its parts; `evidence` names calculations and records.

    The figures in `beside` are for information only. `own` marks a claim of the user, not of the source.
    """

    id: str
    theme: str
    primary: bool
    statement: str
    source: str
    verdict: Verdict
    parts: tuple[PartVerdict, ...]
    evidence: tuple[str, ...]
    remark: str = ""
    beside: tuple[Aside, ...] = ()
    own: bool = False


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of a whole from those of its parts.

    Parts that all agree give their verdict. If some hold and others do not, the whole holds in part. If none holds and
    they differ, it is contradicted. It is undecided as long as undecided parts can change this.
    """
    said = set(verdicts) - {"not testable here"} or set(verdicts)
    decided, undecided = said - {"undecided"}, verdicts.count("undecided")
    settled: tuple[Verdict, ...] = ("holds", "contradicted", "equivalent")
    ends = {
        _of_decided(decided | set(end))
        for several in range(min(undecided, 1), min(undecided, len(settled)) + 1)
        for end in itertools.combinations(settled, several)
    }
    return ends.pop() if len(ends) == 1 else "undecided"


def _of_decided(said: AbstractSet[Verdict]) -> Verdict:
    if len(said) == 1:
        return next(iter(said))
    return "holds in part" if said & {"holds", "holds in part"} else "contradicted"
