"""Augmentations of the source, drawn per sample on the device and composed into one resampling.

torchvision's v2 transforms draw one crop or flip for a whole batch of tensors; here every image of a batch gets its
own. Geometry (flips, crops, the resize to the recipe's resolution) is folded into a single bilinear `grid_sample`, so
an image is resampled once however many augmentations a recipe has.
Source: the notebook's section on AlexNet; definitions follow torchvision's ColorJitter and RandomResizedCrop.
"""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.schema import STRICT


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
