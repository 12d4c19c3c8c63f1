"""reports/claims.yaml, strictly read: what the source claims, and the rule by which each claim is judged.

An analytic part names a calculation and says of its figures what the source says, each by one relation. The rules are
fixed before anything is run: a part is data, and judging (pipeline/claims/judging.py) never looks at an identifier.
"""

from dataclasses import field
from pathlib import Path
from typing import Literal

import yaml
from pydantic.dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.schema import STRICT, parse

Theme = Literal["depth", "width", "cost", "normalisation", "connections", "design spaces"]
Known = Literal["holds", "false", "depends", "contested", "expected"]


@dataclass(frozen=True, config=STRICT)
class Relation:
    """What is said of a figure: exactly one of the comparisons; `about` a number means `within` a share of it."""

    equals: float | None = None
    about: float | None = None
    above: float | None = None
    below: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    within: float = 0.01

    def __post_init__(self) -> None:
        given = [name for name in _COMPARISONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a relation needs exactly one of {', '.join(_COMPARISONS)}, not {given}")

    def holds_of(self, value: float) -> bool:
        """Whether the figure is as it is said to be."""
        if self.about is not None:
            return abs(value - self.about) <= self.within * abs(self.about)
        return (
            (self.equals is not None and value == self.equals)
            or (self.above is not None and value > self.above)
            or (self.below is not None and value < self.below)
            or (self.at_least is not None and value >= self.at_least)
            or (self.at_most is not None and value <= self.at_most)
        )

    def told(self) -> str:
        """As a report says it: "about 81"."""
        name = next(name for name in _COMPARISONS if getattr(self, name) is not None)
        words = "" if name == "equals" else f"{name.replace('_', ' ')} "
        return f"{words}{getattr(self, name):,g}"


_COMPARISONS = ("equals", "about", "above", "below", "at_least", "at_most")


@dataclass(frozen=True, config=STRICT)
class AnalyticPart:
    """A part that is settled by a calculation.

    Attributes:
        measure: what is judged, in a few words.
        calculation: of pipeline/claims/figures.py.
        says: figure -> what the source says of it; the first is the effect that is reported.
        unit: of that figure.
        scale: at which sizes it was calculated.
    """

    kind: Literal["analytic"]
    measure: str
    calculation: str
    says: dict[str, Relation]
    unit: str = ""
    scale: str = ""

    def __post_init__(self) -> None:
        if not self.says:
            raise ValueError("says (={}) must name a figure")


@dataclass(frozen=True, config=STRICT)
class Claim:
    """One sentence of the source as a hypothesis.

    Attributes:
        theme: under which it is reported.
        source: the section of the source.
        statement: what it says, in English.
        known: what a careful reading says beforehand.
        parts: each judged for itself.
        primary: whether it is one of those for which the study was planned.
        remark: what a reader must know, such as the right figure and its arithmetic.
    """

    theme: Theme
    source: str
    statement: str
    known: Known
    parts: tuple[AnalyticPart, ...]
    primary: bool = False
    remark: str = ""


@dataclass(frozen=True, config=STRICT)
class Catalogue:
    """`claims.yaml`: claims by identifier, in the order of the source."""

    claims: dict[str, Claim] = field(default_factory=dict)


def read_catalogue(path: Path) -> Catalogue:
    """Raises UsageError with every fault and its place."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    return parse(Catalogue, content, path.name)
