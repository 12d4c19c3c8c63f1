"""Verdicts on claims and their parts, as `convstudy claims --json` and the report tell them."""

import itertools
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from pydantic.dataclasses import dataclass

from pipeline.schema import STRICT

Verdict = Literal["holds", "holds in part", "contradicted", "equivalent", "undecided", "not testable here"]


@dataclass(frozen=True, config=STRICT)
class FigureVerdict:
    """A figure, what the source says of it, and whether it is so."""

    name: str
    value: float
    said: str
    holds: bool


@dataclass(frozen=True, config=STRICT)
class PartVerdict:
    """One part: `effect` in `unit`, with its interval where `n` seeds estimate it; `figures` where it was counted.

    Of an empirical one: what was `expected`, `against` which value (none: 0, or 1 for a factor), the `smallest` effect
    of interest, the adjusted p value, how many of the trainings compared `failed`, and, where it is undecided,
    how many seeds (rounds of a timing, networks of a population) would find the smallest effect with a probability of
    80 %, as one verdict more among those of all claims. `n` counts the same. An effect that was shown `may_be_small`
    where its interval reaches below the smallest one; `cautions` are what must be known of the arms.
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


@dataclass(frozen=True, config=STRICT)
class Aside:
    """A figure for information: its interval, if any, is not adjusted for multiple comparisons.

    `effect` is None where its record is not there yet; `scale` is the size at which it was measured.
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

    What all say, it says. Where some hold and others do not, it holds in part; where none holds and they differ, it is
    contradicted. It is undecided as long as parts are that can still change this.
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
