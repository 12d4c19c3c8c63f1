"""Parts of claims: the evidence each part needs, and its decision rule, fixed in advance.

An analytic part names a calculation and states, as one relation per figure, what the source claims. The other parts are
estimated: from trainings of an experiment's arms, from populations of networks, from timings, or from how two training
protocols rank the same networks. Each has an expected direction, a smallest effect of interest, and a value to compare
the effect with.

Figures for information are measured in the same ways but decide nothing. They were added later, or the source does not
claim them.
"""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.claims.measures import TARGETED, MeasureName, Take
from pipeline.cost.table import COSTS
from pipeline.schema import STRICT

Expected = Literal["lower", "higher", "equal", "not higher"]
"""The direction the source claims. "not higher" allows an effect up to the smallest one of interest."""
Scale = Literal["difference", "ratio", "correlation"]
"""Differences are analysed as they are, ratios as logarithms, correlations after Fisher's transformation."""
TimedMeasure = Literal["training step", "inference", "peak memory"]
BACKWARD_MEMORY = "memory for backward"


@dataclass(frozen=True, config=STRICT)
class Relation:
    """The claimed value of a figure: exactly one comparison. `about` accepts a relative difference of `within`."""

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
        """Whether the figure agrees with the claim."""
        if self.about is not None:
            return abs(value - self.about) <= self.within * abs(self.about)
        return (
            (self.equals is not None and value == self.equals)
            or (self.above is not None and value > self.above)
            or (self.below is not None and value < self.below)
            or (self.at_least is not None and value >= self.at_least)
            or (self.at_most is not None and value <= self.at_most)
        )

    def in_words(self) -> str:
        """The wording for reports, such as "about 81"."""
        name = next(name for name in _COMPARISONS if getattr(self, name) is not None)
        words = "" if name == "equals" else f"{name.replace('_', ' ')} "
        return f"{words}{getattr(self, name):,.12g}"


_COMPARISONS = ("equals", "about", "above", "below", "at_least", "at_most")


@dataclass(frozen=True, config=STRICT)
class AnalyticPart:
    """A part decided by a calculation.

    Attributes:
        measure: what is judged, in a few words.
        calculation: name in pipeline/claims/calculations/registry.py.
        says: figure -> claimed value. The first one is reported as the effect.
        unit: unit of that figure.
        scale: sizes for which it was calculated.
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


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TrainedContrast:
    """A measured effect between trained arms of an experiment.

    Attributes:
        measure: what is judged, in a few words.
        experiment: name of the experiment that has the arms.
        of: measure taken of each training.
        contrast: arm or group -> weight. The weights sum to 0; a single arm of weight 1 is taken as it is. The effect
            is the weighted sum, averaged over seeds.
        unit: unit of the effect.
        scale: "ratio" takes logarithms, so that the effect is a factor.
        take: how a group's arms become one number.
        target: training loss to reach, for measures that need one.
        figure: probe and figure, for the measure "probe".
    """

    kind: Literal["empirical"]
    measure: str
    experiment: str
    of: MeasureName
    contrast: dict[str, float]
    unit: str
    scale: Literal["difference", "ratio"] = "difference"
    take: Take = "mean"
    target: float | None = None
    figure: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        alone = list(self.contrast.values()) == [1]
        if not alone and (len(self.contrast) < 2 or abs(sum(self.contrast.values())) > 1e-9):
            raise ValueError(
                f"contrast (={self.contrast}) must have at least two weights, which sum to 0, or be one arm of weight 1"
            )
        if (self.of in TARGETED) != (self.target is not None):
            raise ValueError(f"target (={self.target}) belongs to {' and '.join(map(repr, TARGETED))}, which need it")
        if (self.of == "probe") != (self.figure is not None):
            raise ValueError(f"figure (={self.figure}) belongs to 'probe', which needs it")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EmpiricalPart(TrainedContrast):
    """A part decided by trainings.

    Attributes:
        expect: direction that the source claims.
        smallest: smallest effect of interest, in `unit`, or a factor above 1. It is also the equivalence margin.
        against: value to compare the effect with; by default 0, or 1 for a ratio.
    """

    expect: Expected
    smallest: float
    against: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_smallest(self.smallest, self.scale)


@dataclass(frozen=True, config=STRICT)
class PopulationPart:
    """A part decided by two populations of networks, each network trained once.

    The effect is the probability that a network drawn from `better` has a lower error than one drawn from `than`. Ties
    count half, so equal distributions give 0.5.
    """

    kind: Literal["population"]
    measure: str
    experiment: str
    better: str
    than: str
    expect: Literal["higher", "equal"]
    smallest: float = 0.15
    unit: str = "probability"
    scale: Literal["difference"] = "difference"
    against: float = 0.5

    def __post_init__(self) -> None:
        _check_smallest(self.smallest, self.scale)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TimedContrast:
    """A measured effect between the arms of a timing; it is a factor.

    Attributes:
        measure: what is judged, in a few words.
        timing: name of the timing that has the arms.
        of: measure taken of each arm in each round, for one batch.
        contrast: arm -> weight of the logarithm of its measure. The weights sum to 0.
    """

    kind: Literal["timed"]
    measure: str
    timing: str
    of: TimedMeasure
    contrast: dict[str, float]
    unit: str = "times"
    scale: Literal["ratio"] = "ratio"

    def __post_init__(self) -> None:
        if len(self.contrast) < 2 or abs(sum(self.contrast.values())) > 1e-9:
            raise ValueError(f"contrast (={self.contrast}) must have at least two weights, which sum to 0")


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TimedPart(TimedContrast):
    """A part decided by timings; `expect`, `smallest` and `against` as in EmpiricalPart."""

    expect: Expected
    smallest: float
    against: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_smallest(self.smallest, self.scale)


@dataclass(frozen=True, config=STRICT)
class Ranking:
    """The same networks trained under two protocols. The effect is Spearman's correlation between their errors.

    `cheap` and `dear` (expensive) are protocols of the published population: "3 epochs of 9, short", "short", "full",
    or "short, another seed", which shows how well two seeds rank networks alike.
    """

    kind: Literal["ranking"]
    measure: str
    cheap: str
    dear: str
    unit: str = "rank correlation"
    scale: Literal["correlation"] = "correlation"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class RankingPart(Ranking):
    """A part decided by such a correlation; `expect`, `smallest` and `against` as in EmpiricalPart."""

    against: float
    expect: Literal["higher"] = "higher"
    smallest: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.against < self.against + self.smallest < 1:
            raise ValueError(f"against (={self.against}) and smallest (={self.smallest}) must sum to less than 1")


EstimatedPart = EmpiricalPart | PopulationPart | TimedPart | RankingPart
Part = Annotated[AnalyticPart | EstimatedPart, Field(discriminator="kind")]


@dataclass(frozen=True, config=STRICT)
class CalculatedFigure:
    """A calculated figure for information."""

    kind: Literal["analytic"]
    measure: str
    calculation: str
    figure: str
    unit: str = ""
    scale: str = ""


@dataclass(frozen=True, config=STRICT)
class CostRatio:
    """The cost of arm `of` divided by that of arm `over`, for information.

    `cost` is the key of a counted cost, or BACKWARD_MEMORY.
    """

    kind: Literal["cost"]
    measure: str
    experiment: str
    cost: str
    of: str
    over: str
    unit: str = "times"

    def __post_init__(self) -> None:
        known = (*(key for key, cost in COSTS.items() if cost.count is not None), BACKWARD_MEMORY)
        if self.cost not in known:
            raise ValueError(f"cost (={self.cost}) must be one of {', '.join(known)}")


Beside = Annotated[
    CalculatedFigure | CostRatio | TrainedContrast | TimedContrast | Ranking, Field(discriminator="kind")
]


def _check_smallest(smallest: float, scale: Scale) -> None:
    if smallest <= (1 if scale == "ratio" else 0):
        raise ValueError(f"smallest (={smallest}) must be above 0, or above 1 where scale is ratio")
