"""Writes the images of a source: one array of images and one of labels per split, and the manifest.

Rows are written in pieces of a few megabytes with ordinary writes. A full disk then raises an error, while a mapped
file would kill the process.
"""

import hashlib
import os
from itertools import combinations
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.images import resized
from pipeline.data.manifest import SPLITS, Manifest, SplitFiles, SplitName, write_manifest
from pipeline.data.near import FINE, NEARLY_ALIKE, Thumbnails, thumbnails
from pipeline.data.raw import RawImages
from pipeline.data.splits import Labels
from pipeline.files import sha256_file

BYTES_AT_ONCE = 2**24

Histogram = npt.NDArray[np.int64]


def write_arrays(raw: RawImages, folder: Path, data_name: str, image_size: int | None, seed: int) -> Manifest:
    """Write the splits of `raw` and their manifest into `folder`, with images resized to `image_size` if needed."""
    channels, height, width = raw.image_shape
    conversions = dict(raw.conversions)
    if image_size is not None and (height, width) != (image_size, image_size):
        height = width = image_size
        conversions["resized"] = len(raw.labels)
    splits: dict[SplitName, SplitFiles] = {}
    digests: dict[SplitName, list[bytes]] = {}
    labels: dict[SplitName, Labels] = {}
    histograms: dict[SplitName, Histogram] = {}
    pictures: dict[SplitName, Thumbnails] = {}
    for code, split in enumerate(SPLITS):
        index = np.flatnonzero(raw.splits == code)
        images_file, labels_file = folder / f"{split}-images.npy", folder / f"{split}-labels.npy"
        written = _write_images(images_file, raw, index, (channels, height, width))
        digests[split], histograms[split], pictures[split] = written
        labels[split] = raw.labels[index]
        _write_labels(labels_file, labels[split])
        splits[split] = SplitFiles(
            images_file=images_file.name,
            images_sha256=sha256_file(images_file),
            labels_file=labels_file.name,
            labels_sha256=sha256_file(labels_file),
            count=len(index),
            class_counts=tuple(np.bincount(labels[split], minlength=len(raw.class_names)).tolist()),
        )
    mean, std = mean_and_std(histograms["train"])
    manifest = Manifest(
        schema="manifest/1",
        name=data_name,
        source=raw.source,
        versions=raw.versions,
        seed=seed,
        image_shape=(channels, height, width),
        class_names=raw.class_names,
        splits=splits,
        mean=mean,
        std=std,
        duplicates={**count_duplicates(digests, labels), **count_near(pictures)},
        raw_files=raw.raw_files,
        conversions=conversions,
    )
    write_manifest(folder, manifest)
    return manifest


def mean_and_std(histogram: Histogram) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of pixel values scaled to [0, 1], from their counts (C, 256).

    Computed from exact integer sums, so that they are equal on all machines. The std of a constant channel is 1, since
    images are divided by it.
    """
    means, stds = [], []
    for counts in histogram.tolist():
        n = sum(counts)
        total = sum(count * value for value, count in enumerate(counts))
        squares = sum(count * value * value for value, count in enumerate(counts))
        spread = n * squares - total * total  # n^2 times the variance
        means.append(total / (255 * n))
        stds.append(sqrt(spread) / (255 * n) if spread else 1.0)
    return tuple(means), tuple(stds)


def count_duplicates(digests: dict[SplitName, list[bytes]], labels: dict[SplitName, Labels]) -> dict[str, int]:
    """The exact duplicates between each pair of splits, as `Manifest.duplicates` describes."""
    counts = {}
    for earlier, later in combinations(SPLITS, 2):
        known: dict[bytes, set[int]] = {}
        for digest, label in zip(digests[earlier], labels[earlier].tolist(), strict=True):
            known.setdefault(digest, set()).add(label)
        there = [
            (label, known[digest])
            for digest, label in zip(digests[later], labels[later].tolist(), strict=True)
            if digest in known
        ]
        counts[f"{earlier}-{later}"] = len(there)
        counts[f"{earlier}-{later} with another label"] = sum(bool(others - {label}) for label, others in there)
    return counts


def count_near(pictures: dict[SplitName, Thumbnails]) -> dict[str, int]:
    """For each pair of splits, the images of the later one that are duplicates or near-duplicates of an earlier one."""
    return {
        f"{earlier}-{later} {NEARLY_ALIKE}": pictures[later].known_in(pictures[earlier])
        for earlier, later in combinations(SPLITS, 2)
    }


def _write_images(
    path: Path, raw: RawImages, index: npt.NDArray[np.intp], shape: tuple[int, int, int]
) -> tuple[list[bytes], Histogram, Thumbnails]:
    """Write the images of `index` as uint8 (n, C, H, W); return digests, histogram (C, 256) and thumbnails of them."""
    digests: list[bytes] = []
    small = [np.empty((0, shape[0], FINE, FINE), np.uint8)]
    histogram = np.zeros((shape[0], 256), np.int64)
    rows_at_once = max(1, BYTES_AT_ONCE // int(np.prod(raw.image_shape)))
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(index), *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(index), rows_at_once):
            rows = raw.rows(index[start : start + rows_at_once])
            if rows.shape[1:] != shape:
                rows = resized(rows, shape[1])
            rows = np.ascontiguousarray(rows)
            file.write(rows.data)
            small.append(thumbnails(rows))
            digests += [hashlib.blake2b(row.data, digest_size=16).digest() for row in rows]
            for channel in range(shape[0]):
                histogram[channel] += np.bincount(rows[:, channel].reshape(-1), minlength=256)
        file.flush()
        os.fsync(file.fileno())
    return digests, histogram, Thumbnails(np.concatenate(small))


def _write_labels(path: Path, labels: Labels) -> None:
    with path.open("wb") as file:
        np.save(file, labels.astype("<i8"))
        file.flush()
        os.fsync(file.fileno())
