"""Timings of reports/claims.yaml: arms measured in turn on one machine, for claims about time.

All arms are built in one process with one thread and measured one after another, round by round. So a machine that is
slow for a while slows all of them, and arms are compared within each round. A timing is valid for the machine on which
it was taken and never mixed with another machine's.
"""

from dataclasses import field
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from pipeline.schema import STRICT

Variant = Literal["as it is", "batch norm from scratch", "checkpointed"]


@dataclass(frozen=True, config=STRICT)
class Convolution:
    """A single convolution with as many output as input channels. `kernel` is odd; the side is kept."""

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
    """One side of a timing: a reference name or {"family": …, "config": {…}}, at a resolution in pixels.

    Or a `convolution`, whose resolution must be given.

    A variant computes the same in another way: with batch norm from elementary operations, or with the layers of dense
    blocks recomputed in the backward pass instead of kept.
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
    """Arms to measure in turn, and the `rounds` of each profile. A profile that is missing skips the timing.

    With `memory`, each round also measures the peak memory of each arm, in a process of its own.
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
    """`plans/timings/<name>.json`: what the stage `timing` measures; `rounds` is 0 if the profile skips the timing."""

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
    """The measurements of an arm: its cost for one image; seconds and peak bytes of a batch, one number per round.

    `made_of`: its family, Config and variant, or its convolution; empty in records of earlier versions.
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
