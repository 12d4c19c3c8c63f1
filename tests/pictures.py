"""Real pictures as files: clothes of Fashion-MNIST's validation images."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.data.arrays import open_training_data

CLASSES = {"Sneaker": 7, "Bag": 8}


def validation_images(prepared: Path, label: int, count: int) -> npt.NDArray[np.uint8]:
    """The first `count` validation images (count, 28, 28) of a class."""
    validation = open_training_data(prepared).validation
    return np.array(validation.images[validation.labels == label][:count, 0])


def write_pictures(prepared: Path, folder: Path, per_class: int = 60) -> Path:
    """Class folders with PNGs of sneakers and bags."""
    for name, label in CLASSES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(validation_images(prepared, label, per_class)):
            Image.fromarray(image).save(folder / name / f"{number:03}.png")
    return folder
