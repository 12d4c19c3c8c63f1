"""How a data source is read, and what each yields: all its images in one form, wherever they came from."""

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
        raw_folder: where the files of published data sets are looked for and kept.
        given_folder: a folder of the user's in which these files are looked for too.
        image_size: side in pixels; None: the images' own if all are equal squares of at most 64, else 32.
        seed: of the split.
        skip_bad: leave unusable files out, naming each, instead of refusing the whole.
        group_by: images whose relative paths agree in its first capture group go to one split.
        scratch: a file for decoded pixels.
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
        source: what the manifest says about where they came from.
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
