"""Parts of claims: each says by what it is settled, and beforehand what would settle it.

An analytic part names a calculation and says of its figures what the source says, each by one relation. The others are
estimated: from trainings of an experiment's arms, from its populations of networks, from timings, or from how two ways
to train the same networks rank them. They have a direction expected, the smallest effect worth speaking of, and the
value against which the effect is held.

What stands beside a claim is measured in the same ways and decides nothing: it was asked for later, or is no part of
what the source says.
"""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.claims.measures import TARGETED, MeasureName, Take
from pipeline.schema import STRICT

Expected = Literal["lower", "higher", "equal", "not higher"]
"""What the source says of an effect; it is "not higher" where it is at most the smallest one worth speaking of."""
Scale = Literal["difference", "ratio", "correlation"]
"""Effects are analysed as they are, as logarithms (factors), or by Fisher's transformation (correlations)."""
TimedMeasure = Literal["training step", "inference", "peak memory"]


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

    def in_words(self) -> str:
        """As a report says it: "about 81"."""
        name = next(name for name in _COMPARISONS if getattr(self, name) is not None)
        words = "" if name == "equals" else f"{name.replace('_', ' ')} "
        return f"{words}{getattr(self, name):,.12g}"


_COMPARISONS = ("equals", "about", "above", "below", "at_least", "at_most")


@dataclass(frozen=True, config=STRICT)
class AnalyticPart:
    """A part that is settled by a calculation.

    Attributes:
        measure: what is judged, in a few words.
        calculation: of pipeline/claims/calculations/registry.py.
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


@dataclass(frozen=True, config=STRICT, kw_only=True)
class TrainedContrast:
    """What is measured of the trainings of an experiment's arms.

    Attributes:
        measure: what it is, in a few words.
        experiment: whose arms are compared.
        of: what is measured of each training.
        contrast: arm or group -> weight; the weights sum to 0, or there is one arm of weight 1, whose measure is taken
            as it is. The effect is the weighted sum, its mean over seeds.
        unit: of the effect.
        scale: "ratio" takes logarithms, so that the effect is a factor.
        take: of a group's arms.
        target: the training loss, of measures that need one.
        figure: of "probe": the probe, and its figure.
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
    """A part that is settled by trainings.

    Attributes:
        expect: what the source says of the effect.
        smallest: the smallest effect worth speaking of, in `unit`, or a factor above 1; also the margin within which
            arms are equal.
        against: what the effect is compared with; by default none, which is 0, or 1 for a ratio.
    """

    expect: Expected
    smallest: float
    against: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_smallest(self.smallest, self.scale)


@dataclass(frozen=True, config=STRICT)
class PopulationPart:
    """A part that is settled by two populations of networks, each trained once.

    The effect is the probability that a network drawn from the group `better` errs less than one from `than` (ties
    count half): 0.5 where the distributions are one.
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
    """What is measured of a timing's arms, in turn, round after round; the effect is a factor.

    Attributes:
        measure: what it is, in a few words.
        timing: whose arms are compared.
        of: seconds of a training step or of inference, a batch.
        contrast: arm -> weight of the logarithm of its measure; the weights sum to 0.
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
    """A part that is settled by timings; `expect`, `smallest` and `against` as of an EmpiricalPart."""

    expect: Expected
    smallest: float
    against: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_smallest(self.smallest, self.scale)


@dataclass(frozen=True, config=STRICT)
class Ranking:
    """Networks trained in two ways: the effect is Spearman's correlation of their errors.

    `cheap` and `dear` are ways to train the published population: "3 epochs of 9, short", "short", "full", or "short,
    another seed", which tells how well errors of one seed are ranked by those of the other.
    """

    kind: Literal["ranking"]
    measure: str
    cheap: str
    dear: str
    unit: str = "rank correlation"
    scale: Literal["correlation"] = "correlation"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class RankingPart(Ranking):
    """A part that is settled by such a correlation; `expect`, `smallest` and `against` as of an EmpiricalPart."""

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
    """A figure of a calculation that stands beside a claim."""

    kind: Literal["analytic"]
    measure: str
    calculation: str
    figure: str
    unit: str = ""
    scale: str = ""


@dataclass(frozen=True, config=STRICT)
class CostRatio:
    """The cost of one arm of an experiment `over` that of another; stands beside a claim."""

    kind: Literal["cost"]
    measure: str
    experiment: str
    cost: Literal["params", "macs", "activations", "memory for backward"]
    of: str
    over: str
    unit: str = "times"


Beside = Annotated[
    CalculatedFigure | CostRatio | TrainedContrast | TimedContrast | Ranking, Field(discriminator="kind")
]


def _check_smallest(smallest: float, scale: Scale) -> None:
    if smallest <= (1 if scale == "ratio" else 0):
        raise ValueError(f"smallest (={smallest}) must be above 0, or above 1 where scale is ratio")
