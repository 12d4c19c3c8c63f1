"""Reads a user's own images, listed by a folder or a CSV table: checks, decodes and splits them.

All problems are found in one pass and reported in one error. Only one image at a time is in memory: pixels go to a
scratch file, from which the splits are written.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL

from pipeline.data.images import BadImageError, Conversions, Header, read_header, read_image
from pipeline.data.listing import Item, Listing, Problem, nfc
from pipeline.data.manifest import SPLITS, SplitName
from pipeline.data.raw import RawImages, ReadOptions
from pipeline.data.splits import SMALLEST_PART, TRAIN, Codes, Labels, carve_groups, carve_missing
from pipeline.errors import DataError
from pipeline.files import sha256_file

LARGEST_OWN_SIDE = 64
DEFAULT_SIDE = 32


def read_listed(source: str, listing: Listing, options: ReadOptions) -> RawImages:
    """Read and split the listed images; raises DataError with all problems, except those that `skip_bad` skips."""
    problems = list(listing.problems)
    group_of = _groups(listing.items, options.group_by, problems)
    headers = _headers(list(group_of), problems)
    side = options.image_size or _own_side(list(headers.values()))
    gray = all(header.gray for header in headers.values())
    conversions: Conversions = Counter()
    items, digest = _decode(list(headers), side, gray, options.scratch, conversions, problems)

    codes = {name: code for code, name in enumerate(listing.class_names)}
    labels = np.array([codes[item.class_name] for item in items], np.int64)
    splits = np.array([SPLITS.index(item.split or "train") for item in items], np.int8)
    groups = [group_of[item] for item in items]
    if len(codes) < 2:
        problems.append(Problem(source, None, f"it has {len(codes)} classes", "at least 2 are needed", skippable=False))
    else:
        given = {split for split, _ in listing.classes} | {item.split for item in listing.items}
        splits = _split(labels, splits, groups, given, options.seed, problems)
        problems += _too_small(labels, splits, listing.class_names)
    _refuse(source, problems, options.skip_bad)
    for problem in problems:
        options.tell(f"left out: {problem}")
    counts = {**conversions, "left out": len(problems), "other files ignored": listing.ignored}
    shape = (1 if gray else 3, side, side)
    return RawImages(
        source=source,
        class_names=listing.class_names,
        image_shape=shape,
        rows=lambda index: np.memmap(options.scratch, np.uint8, "r", shape=(len(items), *shape))[index],
        labels=labels,
        splits=splits,
        raw_files={f"all {len(items)} files": f"sha256:{digest}"},
        versions={"numpy": np.__version__, "pillow": PIL.__version__},
        conversions={name: count for name, count in sorted(counts.items()) if count},
    )


def _groups(items: list[Item], pattern: re.Pattern[str] | None, problems: list[Problem]) -> dict[Item, str | None]:
    """The group of each item; None without a pattern."""
    if pattern is None:
        return dict.fromkeys(items)
    groups: dict[Item, str | None] = {}
    for item in items:
        match = pattern.search(nfc(item.relative))
        if match is None or match[1] is None:
            reason = f"--group-by {pattern.pattern!r} finds no group in its path"
            problems.append(Problem(item.relative, item.class_name, reason, "rename it, or correct the pattern"))
        else:
            groups[item] = match[1]
    return groups


def _headers(items: list[Item], problems: list[Problem]) -> dict[Item, Header]:
    headers = {}
    for item in items:
        try:
            headers[item] = read_header(item.path)
        except BadImageError as error:
            problems.append(_bad(item, error))
    return headers


def _own_side(headers: list[Header]) -> int:
    """The side of the images if all are squares of one size up to 64 pixels, else 32."""
    sizes = {size for header in headers for size in (header.width, header.height)}
    return sizes.pop() if len(sizes) == 1 and max(sizes) <= LARGEST_OWN_SIDE else DEFAULT_SIDE


def _decode(
    items: list[Item], side: int, gray: bool, scratch: Path, conversions: Conversions, problems: list[Problem]
) -> tuple[list[Item], str]:
    """Write the pixels of all readable items to `scratch`. Returns these items and a digest of their files."""
    readable = []
    digest = hashlib.sha256()
    with scratch.open("wb") as file:
        for item in items:
            try:
                pixels = read_image(item.path, side, gray, conversions)
            except BadImageError as error:
                problems.append(_bad(item, error))
                continue
            file.write(pixels.tobytes())
            digest.update(f"{sha256_file(item.path)}  {item.relative}\n".encode(errors="surrogateescape"))
            readable.append(item)
    return readable, digest.hexdigest()


def _split(
    labels: Labels,
    splits: Codes,
    groups: Sequence[str | None],
    given: set[SplitName | None],
    seed: int,
    problems: list[Problem],
) -> Codes:
    """Fill the splits that the user did not give from train, keeping groups together."""
    missing = tuple(code for code, name in enumerate(SPLITS) if code != TRAIN and name not in given)
    if all(group is None for group in groups):
        return carve_missing(labels, splits, missing, seed)
    names = sorted({group for group in groups if group is not None})
    codes = {name: code for code, name in enumerate(names)}
    group_codes = np.array([codes[group] for group in groups if group is not None], np.int64)
    for group, code in codes.items():
        lies_in = [SPLITS[split] for split in np.unique(splits[group_codes == code])]
        if len(lies_in) > 1:
            reason = f"the group lies in {' and '.join(lies_in)}"
            problems.append(Problem(group, None, reason, "move it into one split", skippable=False))
    return carve_groups(labels, splits, group_codes, missing, seed)


def _too_small(labels: Labels, splits: Codes, class_names: tuple[str, ...]) -> list[Problem]:
    """The classes with too few images in a split."""
    problems = []
    for label, name in enumerate(class_names):
        counts = np.bincount(splits[labels == label], minlength=len(SPLITS))
        if counts.min() < SMALLEST_PART:
            shares = ", ".join(f"{count} for {split}" for split, count in zip(SPLITS, counts, strict=True))
            reason = f"too few usable images: {counts.sum()} ({shares}; each split needs {SMALLEST_PART})"
            fix = "add images (or smaller groups), or remove the class"
            problems.append(Problem(name, name, reason, fix, skippable=False))
    return problems


def _bad(item: Item, error: BadImageError) -> Problem:
    return Problem(item.relative, item.class_name, error.reason, error.fix)


def _refuse(source: str, problems: list[Problem], skip_bad: bool) -> None:
    """Raise DataError for all problems that are not skipped, sorted by path."""
    fatal = [problem for problem in problems if not (skip_bad and problem.skippable)]
    if not fatal:
        return
    title = f"{source!r} has {len(fatal)} problem{'s' * (len(fatal) > 1)}:"
    message = "\n  ".join([title, *sorted(str(problem) for problem in fatal)])
    if not skip_bad and any(problem.skippable for problem in fatal):
        message += "\nFix these, or skip the unusable files with --skip-bad."
    raise DataError(message)
