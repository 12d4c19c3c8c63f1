"""Named data sets, each one function that yields all its images in one form, whatever way they came.

A source fixes who trains, selects and tests (published test sets stay test sets; validation is carved from training
images by the seed), and `prepare` writes what it yields.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.idx import parse_idx
from pipeline.data.obtain import (
    DOWNLOAD_ERRORS,
    Tell,
    fashion_mnist,
    obtain,
    patience,
    set_aside,
    torchvision_idx,
)
from pipeline.data.splits import TEST, TRAIN, Codes, Labels, carve_validation
from pipeline.errors import DataError

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

IDX_SOURCES = ("fashion-mnist", "mnist", "kmnist")
"""The sources whose four files may also lie in a folder that the user names."""


@dataclass(frozen=True)
class RawImages:
    """All images of a source.

    Attributes:
        source: what the manifest says of where they came from.
        image_shape: (C, H, W).
        rows: the uint8 images (n, C, H, W) of an index array (n,).
        labels: int64 (N,), indices into `class_names`.
        splits: int8 (N,), codes of `pipeline.data.splits`.
    """

    source: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    rows: Callable[[npt.NDArray[np.intp]], npt.NDArray[np.uint8]]
    labels: Labels
    splits: Codes
    raw_files: dict[str, str]
    versions: dict[str, str]
    conversions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a named source is asked with: where raw files are kept, a folder the user names, the seed of the split."""

    raw_folder: Path
    given_folder: Path | None
    seed: int
    tell: Tell


def _fashion_mnist(request: Request) -> RawImages:
    contents = obtain(fashion_mnist(), request.raw_folder, request.given_folder, request.tell)
    return _from_idx("fashion-mnist", FASHION_MNIST_CLASSES, contents, request.seed, {})


def _mnist_kind(source: str, class_name: str, request: Request) -> RawImages:
    """MNIST or KMNIST: torchvision's mirrors, checksums and class names."""
    import torchvision

    contents = obtain(torchvision_idx(source, class_name), request.raw_folder, request.given_folder, request.tell)
    classes = tuple(getattr(torchvision.datasets, class_name).classes)
    return _from_idx(source, classes, contents, request.seed, {"torchvision": torchvision.__version__})


def _cifar(source: str, class_name: str, request: Request) -> RawImages:
    """CIFAR through torchvision, which checks the MD5 of every batch before it reads one."""
    import torchvision

    dataset = getattr(torchvision.datasets, class_name)
    folder = request.raw_folder / source
    archive = folder / dataset.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if archive.exists() and not torchvision.datasets.utils.check_integrity(archive, dataset.tgz_md5):
            set_aside(archive, request.tell)
        with patience():
            train, test = dataset(folder, train=True, download=True), dataset(folder, train=False)
    except DOWNLOAD_ERRORS as error:
        raise DataError(
            f"{source} could not be obtained: not whole in {folder}, and its download failed ({error}). Put "
            f"{dataset.filename} (MD5 {dataset.tgz_md5}) into {folder} and prepare again."
        ) from error
    request.tell(f"{source}: files in {folder}: all there, checksums right")
    return _published(
        source,
        tuple(train.classes),
        *((part.data.transpose(0, 3, 1, 2), np.array(part.targets)) for part in (train, test)),  # NHWC -> NCHW
        seed=request.seed,
        raw_files={file: f"md5:{md5}" for file, md5 in [*dataset.train_list, *dataset.test_list]},
        versions={"torchvision": torchvision.__version__},
    )


NAMED: dict[str, Callable[[Request], RawImages]] = {
    "fashion-mnist": _fashion_mnist,
    "mnist": partial(_mnist_kind, "mnist", "MNIST"),
    "kmnist": partial(_mnist_kind, "kmnist", "KMNIST"),
    "cifar10": partial(_cifar, "cifar10", "CIFAR10"),
    "cifar100": partial(_cifar, "cifar100", "CIFAR100"),
}
"""Each raises DataError, saying what to do, when its images cannot be had."""


def _from_idx(
    source: str, classes: tuple[str, ...], contents: dict[str, bytes], seed: int, versions: dict[str, str]
) -> RawImages:
    arrays = {name: parse_idx(content, f"{source}: {name}") for name, content in contents.items()}
    return _published(
        source,
        classes,
        (arrays["train-images-idx3-ubyte"][:, None], arrays["train-labels-idx1-ubyte"]),  # (N, H, W) -> (N, 1, H, W)
        (arrays["t10k-images-idx3-ubyte"][:, None], arrays["t10k-labels-idx1-ubyte"]),
        seed=seed,
        raw_files={
            name: f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}" for name, content in contents.items()
        },
        versions=versions,
    )


def _published(
    source: str,
    classes: tuple[str, ...],
    train: tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]],
    test: tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]],
    *,
    seed: int,
    raw_files: dict[str, str],
    versions: dict[str, str],
) -> RawImages:
    """Images (N, C, H, W) and labels (N,) split as published, with validation carved out of train by the seed."""
    for pixels, targets in (train, test):
        if pixels.ndim != 4 or len(targets) != len(pixels) or not 0 <= targets.min() <= targets.max() < len(classes):
            raise DataError(f"{source}: {pixels.shape} images and labels of {len(classes)} classes do not fit")
    images = np.concatenate([train[0], test[0]])
    labels = np.concatenate([train[1], test[1]]).astype(np.int64)
    splits = np.repeat(np.array([TRAIN, TEST], np.int8), [len(train[1]), len(test[1])])
    return RawImages(
        source=source,
        class_names=classes,
        image_shape=(images.shape[1], images.shape[2], images.shape[3]),
        rows=lambda index: images[index],
        labels=labels,
        splits=carve_validation(labels, splits, seed),
        raw_files=raw_files,
        versions={"numpy": np.__version__, **versions},
    )
