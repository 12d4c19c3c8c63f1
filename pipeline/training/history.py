"""What a training reports: one Epoch per epoch, the complete History at the end, Progress in between."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic.dataclasses import dataclass as record

from pipeline.schema import STRICT


@record(frozen=True, config=STRICT)
class Epoch:
    """What was observed after one epoch; losses are mean cross-entropies in nats, in eval mode.

    `train_loss` is taken on the fixed training sample; `gradient_norm` is the mean over the epoch's steps of the
    global L2 norm.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_error_percent: float
    learning_rate: float
    gradient_norm: float


@dataclass
class History:
    """What a training did: its outcome, one Epoch an epoch, and what it cost in time.

    "stopped": it ended where it was asked to, before the last epoch of its schedule, and can be continued.
    `micro_batches`: in how many parts each batch was trained at the end; 1 unless memory had run out.
    """

    epochs: list[Epoch] = field(default_factory=list)
    state: Literal["complete", "failed", "stopped"] = "complete"
    reason: str | None = None
    images_per_second: list[float] = field(default_factory=list)
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    starts: int = 1
    micro_batches: int = 1


@record(frozen=True, config=STRICT)
class Progress:
    """How far a training is: `step` of `steps` in epoch `epoch` (from 1) of `epochs`."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float
    history: tuple[Epoch, ...]
