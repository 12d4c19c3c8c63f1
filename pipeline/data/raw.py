"""Options for reading a data source, and the images it yields, in one form for all sources."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.obtain import Tell
from pipeline.data.splits import Codes, Labels


@dataclass(frozen=True)
class ReadOptions:
    """How a source is read.

    Attributes:
        raw_folder: folder where files of published data sets are searched and kept.
        given_folder: another folder where these files are searched.
        image_size: side in pixels; None: that of the images if all are squares of one size up to 64, else 32.
        seed: seed of the split.
        skip_bad: skip unusable files and report each, instead of refusing all images.
        group_by: images with the same first capture group in their relative paths go to one split.
        scratch: file for decoded pixels.
        tell: receives one line per step.
    """

    raw_folder: Path
    given_folder: Path | None
    image_size: int | None
    seed: int
    skip_bad: bool
    group_by: re.Pattern[str] | None
    scratch: Path
    tell: Tell


@dataclass(frozen=True)
class RawImages:
    """All images of a source.

    Attributes:
        source: name of the source in the manifest.
        class_names: names of the classes, by label.
        image_shape: (C, H, W).
        rows: maps indices (n,) to uint8 images (n, C, H, W).
        labels: int64 (N,), indices into `class_names`.
        splits: int8 (N,), codes of `pipeline.data.splits`.
        raw_files, versions, conversions: see `Manifest`.
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
