"""Images for a training: uint8 on the device (on CPU: mapped from disk), prepared batch by batch.

A batch is selected, scaled to [0, 1], augmented (training only), normalised and resized on the device. A DataLoader
with PIL transforms works on one image at a time and is far slower at these sizes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.training.augmentation import augment, resize
from pipeline.training.recipe import Recipe

SUBSET_SEED = 0
"""Subsets are the same for all runs, so that runs differ only by their own seed."""


@dataclass(frozen=True)
class Images:
    """N images with their labels on one device: all stored images, or only the `rows` (N,).

    `stored_pixels` are (M, C, H, W) uint8, `stored_labels` (M,) int64. On CPU the pixels may be mapped from a file, so
    that only batches are copied.
    """

    stored_pixels: Tensor
    stored_labels: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.stored_labels if self.rows is None else self.rows)

    @property
    def device(self) -> torch.device:
        """The device of the images."""
        return self.stored_pixels.device

    @property
    def labels(self) -> Tensor:
        """(N,) int64."""
        return self.stored_labels if self.rows is None else self.stored_labels[self.rows]

    def take(self, chosen: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Pixels (n, C, H, W) and labels (n,) of some images, by index from 0 to N - 1."""
        rows = chosen if self.rows is None else self.rows[chosen]
        return self.stored_pixels[rows], self.stored_labels[rows]

    def subset(self, count: int) -> "Images":
        """A stratified subset of `count` images, copied to one block; all images if there are fewer."""
        chosen = stratified_subset(self.labels.cpu().numpy(), count)
        return Images(*self.take(torch.from_numpy(chosen).to(self.device)))


@dataclass(frozen=True)
class ImageData:
    """The data of a training. `mean` and `std` are per channel, of training pixels scaled to [0, 1]."""

    train: Images
    validation: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def preparation(self, recipe: Recipe) -> "Preparation":
        """The conversion of these images to network inputs for a recipe."""
        return Preparation(recipe, self.mean, self.std, self.train.stored_pixels.shape[-1], self.train.device)


def load_images(pixels: np.ndarray, labels: np.ndarray, count: int | None, device: str) -> Images:
    """Load a split, or a stratified subset of `count` images: on CPU without copying, on CUDA into the card's memory.

    `pixels` are never written, and may be mapped read-only.
    """
    chosen = stratified_subset(labels, count) if count is not None and count < len(labels) else None
    if device == "cpu":
        rows = None if chosen is None else torch.from_numpy(chosen)
        return Images(_shared(pixels), torch.from_numpy(np.array(labels, dtype=np.int64)), rows)
    if chosen is not None:
        pixels, labels = pixels[chosen], labels[chosen]
    return Images(
        torch.from_numpy(np.array(pixels)).to(device), torch.from_numpy(np.array(labels, dtype=np.int64)).to(device)
    )


def _shared(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of an array."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(array)


def stratified_subset(labels: np.ndarray, count: int) -> np.ndarray:
    """Sorted indices of `count` images, in which each class has its share within one image. Subsets are nested.

    Each class's images are put in a seeded order. Image k of a class of n has the position (k + 1/2) / n, and the
    images with the `count` smallest positions are selected.
    """
    generator = np.random.default_rng(SUBSET_SEED)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(np.argsort(position, kind="stable")[:count])


class Preparation:
    """Turns uint8 batches into network inputs: (n, C, H, W) uint8 -> (n, C, side, side) float, channels_last.

    `mean` and `std` are per channel, of pixels scaled to [0, 1]. The side in pixels is the recipe's resolution, or
    `image_side` if it has none.
    """

    def __init__(
        self,
        recipe: Recipe,
        mean: Sequence[float],
        std: Sequence[float],
        image_side: int,
        device: torch.device | str,
    ) -> None:
        self.side = recipe.resolution or image_side
        self.augmentations, self.batch_size = recipe.augmentations, recipe.batch_size
        self.mean = torch.tensor(mean, device=device).view(1, -1, 1, 1)
        self.std = torch.tensor(std, device=device).view(1, -1, 1, 1)
        self._scale, self._shift = 1 / (255 * self.std), self.mean / self.std

    def for_training(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Augment, normalise and resize."""
        if not self.augmentations:
            return self.for_evaluation(pixels)
        images = augment(pixels.float() / 255, self.augmentations, self.side, generator)
        return _channels_last((images - self.mean) / self.std)

    def for_evaluation(self, pixels: Tensor) -> Tensor:
        """Normalise, then resize. The order does not matter, and there are fewer pixels before resizing."""
        return _channels_last(resize(pixels.float().mul_(self._scale).sub_(self._shift), self.side))


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
