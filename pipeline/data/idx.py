"""IDX files (the format of MNIST and its kin) and the gzip around them, read without trusting either.

A file starts with two zero bytes, a type (8: unsigned byte), the number of dimensions, and each dimension as a
big-endian 32-bit number; the values follow. Sizes are checked before anything is taken from them.
"""

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError

LARGEST_CONTENT_BYTES = 64 * 2**20
"""Above 60,000 images of 28 x 28 (47 MB); a file that unpacks to more is refused before it fills the memory."""


def read_content(path: Path) -> bytes:
    """The uncompressed bytes of an IDX file, gzipped or not; raises DataError when unreadable, cut short or vast."""
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
    """The uint8 array in IDX `content`, a view of it; raises DataError, naming `where`, for anything else."""
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
