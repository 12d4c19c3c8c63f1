"""Opens prepared arrays: verifies them against the manifest, then maps them into memory without copying.

Test data have a function of their own, `open_test_data`, so that all code that reads the test split is easy to find.
Only evaluations that were requested by name call it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.manifest import SPLITS, Manifest, SplitName, load_manifest
from pipeline.errors import DataError
from pipeline.files import sha256_file


@dataclass(frozen=True)
class Split:
    """Images as uint8 (N, C, H, W), mapped read-only from disk, and their labels as int64 (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingData:
    """All data that a training may use: the train and validation splits."""

    manifest: Manifest
    train: Split
    validation: Split


def open_training_data(folder: Path) -> TrainingData:
    """Open the train and validation splits; raises DataError if they are missing or differ from the manifest."""
    manifest = load_manifest(folder)
    return TrainingData(manifest, _open(folder, manifest, "train"), _open(folder, manifest, "validation"))


def open_test_data(folder: Path) -> Split:
    """Open the test split, for an evaluation after selection; raises DataError as `open_training_data` does."""
    return _open(folder, load_manifest(folder), "test")


def verify(folder: Path, splits: Iterable[SplitName] = SPLITS) -> None:
    """Raise DataError, with the file and both checksums, if any byte differs from the manifest."""
    manifest = load_manifest(folder)
    for split in splits:
        _verify(folder, manifest, split)


def _open(folder: Path, manifest: Manifest, split: SplitName) -> Split:
    _verify(folder, manifest, split)
    files = manifest.splits[split]
    images = np.load(folder / files.images_file, mmap_mode="r")
    labels = np.load(folder / files.labels_file)
    shape = (files.count, *manifest.image_shape)
    if images.shape != shape or images.dtype != np.uint8 or labels.shape != shape[:1] or labels.dtype != np.int64:
        raise DataError(f"{folder}: the arrays of {split} do not have the shape {shape} that the manifest states")
    return Split(images, labels)


def _verify(folder: Path, manifest: Manifest, split: SplitName) -> None:
    files = manifest.splits[split]
    for name, expected in ((files.images_file, files.images_sha256), (files.labels_file, files.labels_sha256)):
        path = folder / name
        try:
            found = sha256_file(path)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}; prepare {manifest.name} again") from error
        if found != expected:
            raise DataError(
                f"{path} is damaged: expected SHA-256 {expected}, found {found}; "
                f"run `convstudy prepare {manifest.name}` again"
            )
