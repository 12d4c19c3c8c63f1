import contextlib
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.data.idx import LARGEST_CONTENT_BYTES, parse_idx, read_content
from pipeline.errors import DataError


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IMAGES = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 4)


@pytest.mark.parametrize("array", [IMAGES, IMAGES[0], np.array([3, 1, 2], np.uint8), np.zeros((0, 28, 28), np.uint8)])
def test_an_array_survives_the_way_through_idx(array: np.ndarray) -> None:
    parsed = parse_idx(idx(array), "here")
    assert parsed.dtype == np.uint8
    assert parsed.shape == array.shape
    assert (parsed == array).all()


@pytest.mark.parametrize("kept", range(len(idx(IMAGES))))
def test_idx_cut_short_anywhere_is_refused(kept: int) -> None:
    with pytest.raises(DataError, match="here"):
        parse_idx(idx(IMAGES)[:kept], "here")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(IMAGES) + b"\0", "states"),
        (b"\x89PNG\r\n\x1a\n", "is not an IDX file"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "type 13"),
        (b"\0\0\x08\xff" + b"\0" * 4 * 255, "255 dimensions"),
        (b"\0\0\x08\x00", "0 dimensions"),
        (b"\0\0\x08\x03" + b"\xff" * 12 + b"\0" * 10, "4294967295"),
    ],
)
def test_what_is_not_idx_is_refused_by_its_reason(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_idx(content, "here")


@given(st.binary(max_size=64))
def test_any_bytes_are_an_array_or_a_data_error(content: bytes) -> None:
    try:
        parsed = parse_idx(content, "here")
    except DataError:
        return
    assert parsed.nbytes <= len(content)


def test_a_gzip_cut_short_is_refused_with_its_path(tmp_path: Path) -> None:
    content = gzip.compress(np.random.default_rng(0).bytes(20_000))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    for kept in (1, 5, 10, 100, 10_000, len(content) - 9, len(content) - 1):
        path.write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
            read_content(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 300), mask=st.integers(1, 255))
def test_a_damaged_gzip_never_yields_other_content(tmp_path: Path, position: int, mask: int) -> None:
    right = np.random.default_rng(0).bytes(200)
    content = bytearray(gzip.compress(right, mtime=0))
    content[position % len(content)] ^= mask
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_content(path) == right  # some bytes of the header do not matter


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(LARGEST_CONTENT_BYTES // 2**20 + 1):
            file.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(DataError, match="unpacks to more than 67,108,864 bytes"):
        read_content(path)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_content(tmp_path / "absent.gz")
