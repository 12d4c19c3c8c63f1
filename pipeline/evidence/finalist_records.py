"""The schemas of finalists: a study's best networks retrained, and their comparisons."""

from typing import Any, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic.dataclasses import dataclass

from pipeline.evidence.records import Interval, cut_to_percent
from pipeline.schema import STRICT
from pipeline.training.recipe import Recipe


@dataclass(frozen=True, config=STRICT)
class Member:
    """A member of a study's front, retrained from scratch at the full budget with n seeds, tested once each.

    `search_error_percent` is the score by which it was selected. The mean of `validation_error_percent` tends to be
    higher: the winner's curse. Both intervals are over seeds; None if all of its runs failed.
    """

    trial: int
    config: dict[str, Any]
    params: int
    macs: int
    search_error_percent: float
    validation_error_percent: Interval | None
    test_error_percent: Interval | None
    runs: tuple[str, ...] = ()

    _cut = field_validator("validation_error_percent", "test_error_percent")(cut_to_percent)


Against = Literal["reference", "random networks", "random search"]
ComparisonVerdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, config=STRICT)
class FinalistComparison:
    """A member's test error minus a baseline's; "better" if the whole interval is below zero.

    Attributes:
        against: the family's reference at or above its cost; the median of networks drawn at random at its cost; the
            best network at or below its cost of a random search of the same compute.
        name: name of the reference, or number of networks.
        macs: MACs of the baseline; the median if it is several networks.
        validation_error_percent: the baseline's, over seeds; the median if it is several networks.
        interval: 95 % interval: of paired differences over seeds (Student's t), or, if seeds are not paired, from the
            ends of two 97.5 % intervals, which is conservative.
    """

    trial: int
    against: Against
    name: str
    macs: int
    validation_error_percent: Interval | None
    difference: float
    interval: tuple[float, float] | None
    n: int
    verdict: ComparisonVerdict

    _cut = field_validator("validation_error_percent")(cut_to_percent)


@dataclass(frozen=True, config=STRICT)
class FinalistsRecord:
    """Result of `convstudy finalists`.

    `notes` explain, one sentence each, comparisons that could not be made as requested. `random_course` is the random
    search's lowest error by the number of training images seen. `lost` counts trainings that failed for a transient
    reason; running the command again retries them, and until then the record is not final. `train_seconds` covers all
    trainings used, including the random search's; None if they were not recorded.
    """

    schema: Literal["finalists/1"]
    study: str
    data: str
    recipe: Recipe
    seeds: tuple[int, ...]
    members: tuple[Member, ...]
    winners_curse_points: Interval | None
    comparisons: tuple[FinalistComparison, ...]
    notes: tuple[str, ...] = Field(default=(), validation_alias=AliasChoices("notes", "told"))
    """Records of earlier versions call them "told"."""
    random_course: tuple[tuple[int, float], ...] = ()
    lost: int = 0
    train_seconds: float | None = None
