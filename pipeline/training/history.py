"""Reports of a training: an Epoch after each epoch, a History at the end, Progress in between."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic.dataclasses import dataclass as record

from pipeline.schema import STRICT


@record(frozen=True, config=STRICT)
class Epoch:
    """Measurements after one epoch. Losses are mean cross-entropies in nats, in eval mode.

    `train_loss` is measured on the fixed training sample. `gradient_norm` is the global L2 norm, averaged over the
    steps of the epoch.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_error_percent: float
    learning_rate: float
    gradient_norm: float


@dataclass
class History:
    """The outcome of a training, its epochs, and its times.

    Attributes:
        state: "stopped" means that it ended on request before the last epoch of its schedule, and can be resumed.
        reason: why it failed.
        images_per_second: training speed in each epoch.
        starts: 1 plus the number of resumes after an interruption.
        micro_batches: number of parts into which each batch was split at the end; 1 unless memory ran out.
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
    """Progress of a training: `step` of `steps` in epoch `epoch` (from 1) of `epochs`."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images_per_second: float
    history: tuple[Epoch, ...]
