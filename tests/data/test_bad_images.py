"""Files that are no images, or no images that can be used: refused with their reason, never a traceback."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_files import COLOUR, GRADIENT, png, read
from PIL import Image

from pipeline.data.images import FORMATS, LARGEST_PIXELS, BadImageError, read_header


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"just some text\n", "not a readable image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a readable image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a readable image"),
        (b"\x89PNG\r\n\x1a\n", "decoded|not a readable image"),
        (b"\xff\xd8\xff", "decoded|not a readable image"),
        (b"GIF89a\xff\xff\xff\xff", "decoded|not a readable image|pixels"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(BadImageError, match=said) as caught:
        read(path)
    assert caught.value.fix


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "webp", "gif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    path = tmp_path / f"x.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadImageError):
        read(path)


@pytest.mark.parametrize("size", [(9000, 9000), (30_000, 30_000), (65_535, 65_535)])
@pytest.mark.parametrize("kind", ["png", "gif"])
def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path, size: tuple[int, int], kind: str) -> None:
    path = tmp_path / f"bomb.{kind}"
    if kind == "png":
        png(path, 8, 2, b"", *size)
    else:
        path.write_bytes(b"GIF89a" + struct.pack("<HHBBBcxxxxHHB3s", *size, 0, 0, 0, b",", *size, 0, b"\x08\0;"))
    assert size[0] * size[1] > LARGEST_PIXELS
    with pytest.raises(BadImageError, match="limit of 50,000,000 pixels"):
        read_header(path)


def test_floating_point_and_32_bit_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(GRADIENT.astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(BadImageError, match="floating-point"):
        read(tmp_path / "f.tif")
    Image.fromarray(GRADIENT.astype(np.int32) * 1_000_000).save(tmp_path / "i.tif")
    with pytest.raises(BadImageError, match="exceed 16 bits"):
        read(tmp_path / "i.tif")


def samples() -> list[bytes]:
    contents = []
    for kind in FORMATS:
        buffer = io.BytesIO()
        Image.fromarray(COLOUR).save(buffer, kind)
        contents.append(buffer.getvalue())
    return contents


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.sampled_from(samples()),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), min_size=1, max_size=8),
)
def test_a_mangled_file_is_an_image_or_a_problem_never_a_traceback(
    tmp_path: Path, content: bytes, changes: list[tuple[int, int]]
) -> None:
    mangled = bytearray(content)
    for position, mask in changes:
        mangled[position % len(mangled)] ^= mask
    path = tmp_path / "x.png"
    path.write_bytes(mangled)
    try:
        pixels, _ = read(path)
    except BadImageError as error:
        assert error.reason
        return
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.uint8
