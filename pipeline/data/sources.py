"""Data sources: published data sets by name, a folder of class folders, or a CSV table.

`resolve_source` turns what a user types into a source, once. To add a published data set, write one function and add
one entry to `NAMED`.

A source assigns its images to splits. Published test sets stay test sets, and validation images are drawn from the
training images by the seed. `prepare` writes the result.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.folder import read_listed
from pipeline.data.idx import parse_idx
from pipeline.data.listing import list_folder, list_table
from pipeline.data.obtain import DOWNLOAD_ERRORS, fashion_mnist, obtain, patience, set_aside, torchvision_idx
from pipeline.data.raw import RawImages, ReadOptions
from pipeline.data.splits import TEST, TRAIN, carve_validation
from pipeline.errors import DataError, UsageError, unknown_name


@dataclass(frozen=True)
class NamedSource:
    """A published data set.

    Attributes:
        read: yields its images; raises DataError, which says what to do, if they cannot be obtained.
        may_be_given: whether the user may give a folder with its files.
    """

    name: str
    read: Callable[[ReadOptions], RawImages]
    may_be_given: bool = False


@dataclass(frozen=True)
class FolderSource:
    """A user's folder of class folders, with or without split folders above them."""

    path: Path

    @property
    def name(self) -> str:
        """The last part of its path."""
        return _decoded(self.path.resolve().name)

    def read(self, options: ReadOptions) -> RawImages:
        """Read its images; raises DataError with all problems."""
        return read_listed(f"folder {self.name}", list_folder(self.path), options)


@dataclass(frozen=True)
class TableSource:
    """A user's CSV file with the columns path, label and optionally split."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return _decoded(self.path.resolve().stem)

    def read(self, options: ReadOptions) -> RawImages:
        """Read the images it lists; raises DataError with all problems."""
        return read_listed(f"table {self.name}", list_table(self.path), options)


DataSource = NamedSource | FolderSource | TableSource


def resolve_source(text: str) -> DataSource:
    """The source with a published name or a path, where a leading ~ means the home folder.

    Raises UsageError, with the nearest published name or the missing path, if there is no such source.
    """
    if text in NAMED:
        return NAMED[text]
    path = os.path.expanduser(text)  # noqa: PTH111  here and below: Path's raise on an unknown user or an overlong name
    if os.path.isdir(path):  # noqa: PTH112
        return FolderSource(Path(path))
    if os.path.isfile(path):  # noqa: PTH113
        return TableSource(Path(path))
    if Path(text).name == text:
        raise unknown_name("data source", text, NAMED)
    raise UsageError(f"there is no folder or CSV file {text!r}")


def how_to_prepare(name: str) -> str:
    """The command that prepares a data set of that name."""
    return f"convstudy prepare {name if name in NAMED else f'FOLDER --name {name}'}"


def _decoded(name: str) -> str:
    """A file's name with undecodable bytes replaced."""
    return os.fsencode(name).decode(errors="replace")


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


def _fashion_mnist(options: ReadOptions) -> RawImages:
    contents = obtain(fashion_mnist(), options.raw_folder, options.given_folder, options.tell)
    return _from_idx("fashion-mnist", FASHION_MNIST_CLASSES, contents, options.seed, {})


def _mnist_kind(source: str, class_name: str, options: ReadOptions) -> RawImages:
    """MNIST or KMNIST: torchvision's mirrors, checksums and class names."""
    import torchvision

    contents = obtain(torchvision_idx(source, class_name), options.raw_folder, options.given_folder, options.tell)
    classes = tuple(getattr(torchvision.datasets, class_name).classes)
    return _from_idx(source, classes, contents, options.seed, {"torchvision": torchvision.__version__})


def _cifar(source: str, class_name: str, options: ReadOptions) -> RawImages:
    """CIFAR from torchvision, which verifies the MD5 of all batches before it reads them."""
    import torchvision

    dataset = getattr(torchvision.datasets, class_name)
    folder = options.raw_folder / source
    archive = folder / dataset.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if archive.exists() and not torchvision.datasets.utils.check_integrity(archive, dataset.tgz_md5):
            set_aside(archive, options.tell)
        with patience():
            train, test = dataset(folder, train=True, download=True), dataset(folder, train=False)
    except DOWNLOAD_ERRORS as error:
        raise DataError(
            f"{source} could not be obtained: not whole in {folder}, and its download failed ({error}). Put "
            f"{dataset.filename} (MD5 {dataset.tgz_md5}) into {folder} and prepare again."
        ) from error
    options.tell(f"{source}: files in {folder}: all there, checksums right")
    return _published(
        source,
        tuple(train.classes),
        *((part.data.transpose(0, 3, 1, 2), np.array(part.targets)) for part in (train, test)),  # NHWC -> NCHW
        seed=options.seed,
        raw_files={file: f"md5:{md5}" for file, md5 in [*dataset.train_list, *dataset.test_list]},
        versions={"torchvision": torchvision.__version__},
    )


NAMED = {
    source.name: source
    for source in (
        NamedSource("fashion-mnist", _fashion_mnist, may_be_given=True),
        NamedSource("mnist", partial(_mnist_kind, "mnist", "MNIST"), may_be_given=True),
        NamedSource("kmnist", partial(_mnist_kind, "kmnist", "KMNIST"), may_be_given=True),
        NamedSource("cifar10", partial(_cifar, "cifar10", "CIFAR10")),
        NamedSource("cifar100", partial(_cifar, "cifar100", "CIFAR100")),
    )
}


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
    """Images (N, C, H, W) and labels (N,) with the published test split; the seed draws validation from train."""
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
