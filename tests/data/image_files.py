"""Image files for tests: pixels known beforehand, how they are read, and PNGs that Pillow does not write."""

import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from pipeline.data.images import read_image

GRADIENT = np.add.outer(np.arange(16), np.arange(16) * 14).astype(np.uint8)  # (16, 16), no symmetry
COLOUR = np.stack([GRADIENT, GRADIENT[::-1], GRADIENT.T], axis=-1)  # (16, 16, 3)


def read(path: Path, gray: bool = False, side: int = 16) -> tuple[np.ndarray, dict[str, int]]:
    conversions: Counter[str] = Counter()
    return read_image(path, side, gray, conversions), dict(conversions)


def png(path: Path, depth: int, kind: int, rows: bytes, width: int = 16, height: int = 16) -> Path:
    """A PNG written byte by byte, for what Pillow itself does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path
