"""Seeded, stratified assignments of images to splits.

An assignment is an int8 array (N,) of codes: 0 train, 1 validation, 2 test (the order of `manifest.SPLITS`).
"""

import numpy as np
import numpy.typing as npt

TRAIN, VALIDATION, TEST = range(3)

Codes = npt.NDArray[np.int8]
Labels = npt.NDArray[np.int64]

HELD_OUT_FRACTION = 0.15
"""Share of each class for validation, and for test, if the user gives no such split."""

SMALLEST_PART = 2
"""Minimum number of images of each class in each split."""


def carve_validation(labels: Labels, splits: Codes, seed: int) -> Codes:
    """Move a sixth of the training images, at most 10,000, to validation, each class in proportion."""
    counts = np.bincount(labels[splits == TRAIN])
    total = int(counts.sum())
    per_class = proportional(counts, min(10_000, total // 6))
    return _carve(labels, splits, per_class, VALIDATION, seed)


def carve_missing(labels: Labels, splits: Codes, missing: tuple[int, ...], seed: int) -> Codes:
    """Fill each of the `missing` splits with 15 % of each class (at least 2 images) from train."""
    counts = np.bincount(labels[splits == TRAIN])
    per_class = np.maximum(SMALLEST_PART, np.floor(HELD_OUT_FRACTION * counts + 0.5).astype(np.int64))
    for split in missing:
        splits = _carve(labels, splits, per_class, split, seed)
    return splits


def carve_groups(labels: Labels, splits: Codes, groups: Labels, missing: tuple[int, ...], seed: int) -> Codes:
    """Like `carve_missing`, but all images of a group (equal codes >= 0 in `groups`) stay together.

    Starting with the largest, each group goes to the split whose share lacks its classes most. Groups of equal size
    are ordered by the seed.
    """
    pool = np.flatnonzero(splits == TRAIN)
    counts = np.bincount(labels[pool])
    targets = [TRAIN, *missing]
    shares = np.array([1 - HELD_OUT_FRACTION * len(missing), *[HELD_OUT_FRACTION] * len(missing)])
    lacking = shares[:, None] * counts[None, :]  # (targets, classes)
    pool = pool[np.argsort(groups[pool], kind="stable")]
    members_of = np.split(pool, np.flatnonzero(np.diff(groups[pool])) + 1)
    drawn = np.random.default_rng([seed, len(targets)]).permutation(len(members_of))
    assigned = splits.copy()
    for members in sorted((members_of[group] for group in drawn), key=len, reverse=True):
        classes = np.bincount(labels[members], minlength=len(counts))
        chosen = int(np.argmax(lacking @ (classes / np.maximum(counts, 1))))
        lacking[chosen] -= classes
        assigned[members] = targets[chosen]
    return assigned


def proportional(counts: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.int64]:
    """Divide `total` in proportion to `counts` by largest remainders; ties go to the lower index."""
    shares, remainders = np.divmod(counts * total, max(1, int(counts.sum())))
    missing = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return np.asarray(shares, dtype=np.int64)


def _carve(labels: Labels, splits: Codes, per_class: npt.NDArray[np.int64], to: int, seed: int) -> Codes:
    generator = np.random.default_rng([seed, to])
    carved = splits.copy()
    for label, count in enumerate(per_class):
        members = np.flatnonzero((labels == label) & (splits == TRAIN))
        carved[generator.permutation(members)[:count]] = to
    return carved
