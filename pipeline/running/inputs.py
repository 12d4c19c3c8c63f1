"""The data of a run, verified and in memory."""

import functools
from pathlib import Path

from pipeline.data.arrays import open_training_data
from pipeline.data.manifest import Manifest
from pipeline.models.finished import check_data
from pipeline.training.images import ImageData, load_images


@functools.lru_cache(maxsize=2)
def training_data(
    folder: Path, fingerprint: str, train_images: int | None, validation_images: int | None, device: str
) -> tuple[ImageData, Manifest]:
    """The verified splits in memory, and their manifest. The worker caches them for its next job."""
    data = open_training_data(folder)
    check_data(folder, data.manifest, fingerprint)
    images = ImageData(
        load_images(data.train.images, data.train.labels, train_images, device),
        load_images(data.validation.images, data.validation.labels, validation_images, device),
        data.manifest.mean,
        data.manifest.std,
    )
    return images, data.manifest
