"""Images for a training: in memory on the device as uint8, prepared batch by batch.

A batch is cut, scaled to [0, 1], augmented (training only), resized and normalised on the device; a DataLoader with PIL
transforms does the same work one image at a time and is far slower at these sizes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.training.augmentation import augment, resize
from pipeline.training.recipe import Recipe

SUBSET_SEED = 0
"""Subsets are the same for every run, so that runs differ by their own seed alone."""


@dataclass(frozen=True)
class Images:
    """`pixels` (N, C, H, W) uint8 and `labels` (N,) int64, on one device."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageData:
    """What a training may see. `mean` and `std` are per channel, of training pixels scaled to [0, 1]."""

    train: Images
    validation: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_images(pixels: np.ndarray, labels: np.ndarray, count: int | None, device: str) -> Images:
    """Copy a split (or a stratified subset of `count`) into memory on the device."""
    if count is not None and count < len(labels):
        chosen = stratified_subset(labels, count)
        pixels, labels = pixels[chosen], labels[chosen]
    return Images(
        torch.from_numpy(np.array(pixels)).to(device), torch.from_numpy(np.array(labels, dtype=np.int64)).to(device)
    )


def stratified_subset(labels: np.ndarray, count: int) -> np.ndarray:
    """Sorted indices of `count` images in which each class has its share (to within one image); nested in `count`.

    Each class's images are put in a seeded order; image k of a class of n stands at (k + 1/2) / n, and the `count`
    smallest positions are taken.
    """
    generator = np.random.default_rng(SUBSET_SEED)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(np.argsort(position, kind="stable")[:count])


class Preparation:
    """Turns uint8 batches into network inputs: (n, C, H, W) uint8 -> (n, C, side, side) float, channels_last."""

    def __init__(self, recipe: Recipe, data: ImageData) -> None:
        device = data.train.pixels.device
        self.side = recipe.resolution or data.train.pixels.shape[-1]
        self.augmentations = recipe.augmentations
        self.mean = torch.tensor(data.mean, device=device).view(1, -1, 1, 1)
        self.std = torch.tensor(data.std, device=device).view(1, -1, 1, 1)

    def for_training(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Augment, resize, normalise."""
        images = pixels.float() / 255
        if self.augmentations:
            return self._normalise(augment(images, self.augmentations, self.side, generator))
        return self._normalise(resize(images, self.side))

    def for_evaluation(self, pixels: Tensor) -> Tensor:
        """Resize and normalise."""
        return self._normalise(resize(pixels.float() / 255, self.side))

    def _normalise(self, images: Tensor) -> Tensor:
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
