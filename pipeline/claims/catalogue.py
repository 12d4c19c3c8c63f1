"""reports/claims.yaml, strictly read: experiments, what the source claims, and the rule by which each claim is judged.

An analytic part names a calculation and says of its figures what the source says, each by one relation. An empirical
part names an experiment, a contrast between its arms, the direction expected of it and the smallest effect worth
speaking of. The rules are fixed before anything is run: a part is data, and judging never looks at an identifier.
"""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.claims.experiments import Experiment
from pipeline.claims.measures import MeasureName, Take
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
class EmpiricalPart:
    """A part that is settled by trainings.

    Attributes:
        measure: what is judged, in a few words.
        experiment: whose arms are compared.
        of: what is measured of each training.
        contrast: arm or group -> weight; the weights sum to 0. The effect is the weighted sum, its mean over seeds.
        expect: what the source says of the effect.
        smallest: the smallest effect worth speaking of, in `unit`; also the margin within which arms are equal.
        scale: "ratio" takes logarithms, so that the effect is a factor, and `smallest` one above 1.
        take: of a group's arms.
        target: of "epochs to loss".
        figure: of "probe": the probe, and its figure.
    """

    kind: Literal["empirical"]
    measure: str
    experiment: str
    of: MeasureName
    contrast: dict[str, float]
    expect: Literal["lower", "higher", "equal"]
    smallest: float
    unit: str
    scale: Literal["difference", "ratio"] = "difference"
    take: Take = "mean"
    target: float | None = None
    figure: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if len(self.contrast) < 2 or abs(sum(self.contrast.values())) > 1e-9:
            raise ValueError(f"contrast (={self.contrast}) must have at least two weights, which sum to 0")
        if self.smallest <= (1 if self.scale == "ratio" else 0):
            raise ValueError(f"smallest (={self.smallest}) must be above 0, or above 1 where scale is ratio")
        if (self.of == "epochs to loss") != (self.target is not None):
            raise ValueError(f"target (={self.target}) belongs to 'epochs to loss', which needs it")
        if (self.of == "probe") != (self.figure is not None):
            raise ValueError(f"figure (={self.figure}) belongs to 'probe', which needs it")


Part = Annotated[AnalyticPart | EmpiricalPart, Field(discriminator="kind")]


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
    parts: tuple[Part, ...]
    primary: bool = False
    remark: str = ""


@dataclass(frozen=True, config=STRICT)
class Catalogue:
    """`claims.yaml`: claims by identifier, in the order of the source, and the experiments that they rest on."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for identifier, claim in self.claims.items():
            for part in claim.parts:
                if isinstance(part, EmpiricalPart):
                    self._check(part, identifier)

    def _check(self, part: EmpiricalPart, identifier: str) -> None:
        if part.experiment not in self.experiments:
            raise ValueError(f"{identifier}: unknown experiment {part.experiment!r}: {', '.join(self.experiments)}")
        experiment = self.experiments[part.experiment]
        if part.figure is not None and part.figure[0] not in experiment.probes:
            raise ValueError(f"{identifier}: experiment {part.experiment} does not take the probe {part.figure[0]!r}")
        for name in part.contrast:
            if name not in experiment.arms and name not in experiment.groups:
                raise ValueError(f"{identifier}: experiment {part.experiment} has no arm or group {name!r}")


def read_catalogue(path: Path) -> Catalogue:
    """Raises UsageError with every fault and its place."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
    return parse(Catalogue, content, path.name)
