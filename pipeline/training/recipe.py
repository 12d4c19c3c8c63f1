"""How to train any network: optimizer, schedule, batches, augmentation, precision.

A recipe is data. Together with the Config, the data set and the seed it determines a run, so every field is part of
the run's hash. Nothing else may change a result.
"""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.schema import STRICT

Initialisation = Literal["he-normal", "xavier-uniform", "framework", "small-normal", "large-normal"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, config=STRICT)
class Flip:
    """Mirror an image left-right or top-bottom with a probability."""

    op: Literal["horizontal-flip", "vertical-flip"]
    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability (={self.probability}) must be in [0, 1]")


@dataclass(frozen=True, config=STRICT)
class RandomResizedCrop:
    """Cut a box of random area share and aspect ratio at a random place and scale it to the full image."""

    op: Literal["random-resized-crop"]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale (={self.scale}) must be 0 < low <= high <= 1")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio (={self.ratio}) must be 0 < low <= high")


@dataclass(frozen=True, config=STRICT)
class ColourJitter:
    """Scale brightness, contrast or saturation by a factor in [1 - amount, 1 + amount], or turn the hue by +-amount."""

    op: Literal["brightness", "contrast", "saturation", "hue"]
    amount: float

    def __post_init__(self) -> None:
        limit = 0.5 if self.op == "hue" else 1.0
        if not 0 <= self.amount <= limit:
            raise ValueError(f"amount (={self.amount}) of {self.op} must be in [0, {limit}]")


Augmentation = Annotated[Flip | RandomResizedCrop | ColourJitter, Field(discriminator="op")]


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """One training protocol.

    Attributes:
        epochs: passes over the training images; also the horizon of the schedule.
        batch_size: images per optimizer step; the last, smaller batch of an epoch is dropped.
        train_images: number of training images (a stratified subset, the same for all seeds); None: all.
        validation_images: size of the validation sample evaluated after each epoch; None: all.
        train_loss_images: size of the fixed training sample on which the loss is measured in eval mode.
        resolution: side in pixels to which images are resized (bilinear) on the device; None: not resized.
        augmentations: drawn per sample, for training batches only; colour in the order given, then geometry.
        initialisation: of weights; biases start at 0 and norms at (1, 0), except under "framework".
        optimizer: "sgd" (momentum, optional Nesterov) or "adamw"; Adam is "adamw" with weight_decay 0.
        learning_rate: the peak of the schedule.
        weight_decay: applied to weights of convolutions and dense layers, never to norms or biases.
        schedule: "cosine" to 0, "one-cycle" (cosine up from 1/25 of the peak for 30 % of steps, then down to
            1/10,000 of the first rate), or "constant".
        warmup_fraction: share of all steps spent in a linear rise to the peak ("one-cycle" has its own).
        label_smoothing: mass spread evenly over the classes in the training loss; not used in reported losses.
        ema_decay: decay per step of an exponential moving average of the weights, which is then evaluated.
        precision: of forward and backward passes; "auto" means bfloat16 if the device computes in it natively.
    """

    epochs: int
    batch_size: int = 128
    train_images: int | None = None
    validation_images: int | None = None
    train_loss_images: int = 2000
    resolution: int | None = None
    augmentations: tuple[Augmentation, ...] = field(default_factory=tuple)
    initialisation: Initialisation = "he-normal"
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "one-cycle", "constant"] = "cosine"
    warmup_fraction: float = 0.1
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "train_images", "validation_images", "train_loss_images", "resolution"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} (={value}) must be at least 1")
        for name in ("warmup_fraction", "label_smoothing", "momentum"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"{name} (={value}) must be in [0, 1)")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate (={self.learning_rate}) must be positive and finite")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay (={self.weight_decay}) must be at least 0 and finite")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"ema_decay (={self.ema_decay}) must be in (0, 1)")
        if self.nesterov and self.momentum == 0 and self.optimizer == "sgd":
            raise ValueError("nesterov (=True) needs momentum (=0) above 0")
