"""Classifies images with a finished network. They are preprocessed in the same way as its training images."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pipeline.data.images import BadImageError, Conversions, pixels_of, read_image
from pipeline.errors import DataError, UsageError
from pipeline.models.finished import FinishedNetwork
from pipeline.training.evaluation import autocast

Pixels = npt.NDArray[np.uint8]
OneImage = str | os.PathLike[str] | Image.Image | Pixels
"""A file, a Pillow image, or pixels (H, W) or (H, W, 3)."""


def listed(images: OneImage | Iterable[OneImage]) -> list[OneImage]:
    """List the images in one image, several images, or one array (N, H, W), (N, H, W, 3) or (N, C, H, W).

    Raises UsageError for an array of another shape or type.
    """
    if isinstance(images, str | os.PathLike | Image.Image):
        return [images]
    if not isinstance(images, np.ndarray):
        return [image for each in images for image in listed(each)]
    if images.dtype != np.uint8:
        raise UsageError(f"images (dtype={images.dtype}) must be uint8, with values from 0 to 255")
    shape = images.shape
    if len(shape) == 2 or (len(shape) == 3 and shape[-1] == 3):
        return [images]
    if len(shape) == 3 or (len(shape) == 4 and shape[-1] == 3):
        return list(images)
    if len(shape) == 4 and shape[1] in (1, 3):
        return [image[0] if shape[1] == 1 else image.transpose(1, 2, 0) for image in images]  # (C, H, W) -> (H, W[, 3])
    raise UsageError(f"images (shape={shape}) must be (H, W), (H, W, 3), (N, H, W), (N, H, W, 3) or (N, C, H, W)")


def read_inputs(network: FinishedNetwork, images: Sequence[OneImage]) -> Pixels:
    """Convert images of any size to pixels (N, C, side, side), the shape of the network's training images.

    Raises DataError, with the path, for a file that is missing or not a readable image.
    """
    channels, side, _ = network.info.data.image_shape
    gray = channels == 1
    rows = [_read(image, side, gray) for image in images]
    return np.stack(rows) if rows else np.empty((0, channels, side, side), np.uint8)


def _read(image: OneImage, side: int, gray: bool) -> Pixels:
    if isinstance(image, str | os.PathLike):
        path = Path(image).expanduser()
        if not path.is_file():
            raise DataError(f"there is no file {str(image)!r}")
        try:
            return read_image(path, side, gray, Conversions())
        except BadImageError as error:
            raise DataError(f"{path}: {error.reason}; {error.fix}") from error
    return pixels_of(image if isinstance(image, Image.Image) else Image.fromarray(image), side, gray)


def probabilities(network: FinishedNetwork, pixels: Pixels, batch_size: int) -> npt.NDArray[np.float64]:
    """Class probabilities (N, classes) for images (N, C, side, side): the softmax of the network's logits."""
    spec = network.info.spec
    device = next(network.model.parameters()).device
    found = [np.empty((0, len(network.class_names)))]
    with torch.inference_mode(), autocast(device.type, spec.recipe.precision):
        for start in range(0, len(pixels), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch_size])).to(device)
            logits = network.model(network.preparation.for_evaluation(batch)).double()
            found.append(logits.softmax(dim=1).cpu().numpy())
    return np.concatenate(found)
