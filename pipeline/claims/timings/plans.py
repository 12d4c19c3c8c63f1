"""Timings of reports/claims.yaml: arms measured in turn on one machine, for claims about time.

All arms are built in one process of one thread and measured one after another, round by round, so that what slows the
machine for a while slows all of them; within a round the arms are compared in pairs. A timing is of the machine on
which it was taken: it is never mixed with another's.
"""

from dataclasses import field
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from pipeline.schema import STRICT

Variant = Literal["as it is", "batch norm from scratch", "checkpointed"]


@dataclass(frozen=True, config=STRICT)
class Convolution:
    """A convolution by itself, of as many channels out as in; `kernel` is odd, and the side is kept."""

    channels: int
    groups: int = 1
    kernel: int = 3

    def __post_init__(self) -> None:
        if self.channels % self.groups:
            raise ValueError(f"groups (={self.groups}) must divide channels (={self.channels})")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel (={self.kernel}) must be odd")


@dataclass(frozen=True, config=STRICT)
class TimedArm:
    """One side of a timing: a reference by name or a {"family": …, "config": {…}}, at a resolution in pixels.

    Or a `convolution`, at a resolution that must be given.

    A variant computes the same in another way: batch norm from elementary operations, or with the layers of dense
    blocks computed again in the backward pass instead of kept.
    """

    network: str | dict[str, Any] | None = None
    resolution: int | None = None
    variant: Variant = "as it is"
    convolution: Convolution | None = None

    def __post_init__(self) -> None:
        if (self.network is None) == (self.convolution is None):
            raise ValueError("an arm needs a network or a convolution, and not both")
        if self.convolution is not None and self.resolution is None:
            raise ValueError("an arm that is a convolution needs its resolution")


@dataclass(frozen=True, config=STRICT)
class Timing:
    """Arms to be measured in turn; `rounds` by profile, a profile that is missing leaves it out.

    With `memory` the peak of memory of each arm is measured as well, in a process of its own each round.
    """

    question: str
    arms: dict[str, TimedArm]
    rounds: dict[str, int]
    batch_size: int = 128
    memory: bool = False
    channels: int = 1
    classes: int = 10

    def __post_init__(self) -> None:
        if len(self.arms) < 2:
            raise ValueError(f"arms (={', '.join(self.arms)}) must be at least two")
        if any(rounds < 2 for rounds in self.rounds.values()):
            raise ValueError(f"rounds (={self.rounds}) must be at least 2")


@dataclass(frozen=True, config=STRICT)
class PlannedTiming:
    """`plans/timings/<name>.json`: what the stage `timing` measures; no rounds where the profile leaves it out."""

    schema: Literal["timing-plan/1"]
    name: str
    profile: str
    timing: Timing
    rounds: int


def plan_timing(name: str, timing: Timing, profile: str) -> PlannedTiming:
    """The plan of a timing under a profile."""
    return PlannedTiming("timing-plan/1", name, profile, timing, timing.rounds.get(profile, 0))


@dataclass(frozen=True, config=STRICT)
class TimedArmRecord:
    """What was measured of an arm: its cost for one image; seconds and peak bytes of a batch, one number a round.

    `made_of`: its family, Config and variant, or its convolution; none where an earlier version measured.
    """

    resolution: int
    params: int
    macs: int
    training_step_seconds: tuple[float, ...]
    inference_seconds: tuple[float, ...]
    peak_memory_bytes: tuple[int, ...] = ()
    made_of: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class TimingRecord:
    """`timings/<name>.json`: the arms of a timing as one machine measured them."""

    schema: Literal["timing/1"]
    timing: str
    profile: str
    device: Literal["cpu", "cuda"]
    threads: int
    batch_size: int
    arms: dict[str, TimedArmRecord]
    finished_at: str
    hardware: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
