"""Real Fashion-MNIST in small pieces, as the training tests use it."""

from pathlib import Path

from torch import nn

import search_spaces
from pipeline.data.arrays import open_training_data
from pipeline.training.images import ImageData, load_images
from pipeline.training.recipe import Flip, RandomResizedCrop, Recipe

TINY = Recipe(
    epochs=3,
    batch_size=32,
    train_images=160,
    validation_images=100,
    train_loss_images=50,
    learning_rate=0.01,
    ema_decay=0.9,
    augmentations=(Flip("horizontal-flip"), RandomResizedCrop("random-resized-crop", scale=(0.6, 1.0))),
    precision="float32",
)
"""Everything that has state or chance: momentum, schedule, augmentation, averaging; dropout is alexnet-small's."""


def small_data(prepared: Path, train: int = 160, validation: int = 100) -> ImageData:
    """Stratified subsets of the real splits."""
    data = open_training_data(prepared)
    return ImageData(
        load_images(data.train.images, data.train.labels, train, "cpu"),
        load_images(data.validation.images, data.validation.labels, validation, "cpu"),
        data.manifest.mean,
        data.manifest.std,
    )


def small_network(name: str = "alexnet-small") -> nn.Module:
    """A reference built for 28 pixels."""
    family, reference = search_spaces.reference(name)
    return search_spaces.instantiate(family, reference.config, 28)
