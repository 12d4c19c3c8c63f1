"""Reads IDX files (the format of MNIST), gzipped or not, without trusting their content.

A file starts with two zero bytes, a type (8: unsigned byte), the number of dimensions, and each dimension as a
big-endian 32-bit number. The values follow. Sizes are checked before they are used.
"""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError

LARGEST_CONTENT_BYTES = 64 * 2**20
"""Larger content is refused before it fills the memory. 60,000 images of 28 x 28 have 47 MB."""


def read_content(path: Path) -> bytes:
    """Read the uncompressed bytes of an IDX file; raises DataError if it is unreadable, cut short or too large."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(LARGEST_CONTENT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {reason}") from error
    if len(content) > LARGEST_CONTENT_BYTES:
        raise DataError(f"{path} unpacks to more than {LARGEST_CONTENT_BYTES:,} bytes")
    return content


def parse_idx(content: bytes, where: str) -> npt.NDArray[np.uint8]:
    """A view of IDX `content` as uint8 array; raises DataError with `where` for other content."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"{where} is not an IDX file")
    kind, dimensions = content[2], content[3]
    if kind != 8 or dimensions not in (1, 2, 3):
        raise DataError(f"{where}: IDX type {kind} with {dimensions} dimensions is not 8 (unsigned byte) with 1 to 3")
    header = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4))
    if len(content) < header or len(content) - header != prod(shape):
        raise DataError(f"{where}: the IDX header states {shape} values, {max(0, len(content) - header):,} follow")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
