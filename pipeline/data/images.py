"""Reads an untrusted image file as uint8 pixels: 8 bits, upright, opaque, square and of one size.

Only the formats in FORMATS are tried, whatever the file's extension. Changes to images are counted in `Conversions`.
Unusable images are refused with a reason and a fix.
"""

import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

LARGEST_PIXELS = 50_000_000
"""Limit on a decoded image, which takes up to 16 bytes per pixel, 800 MB (WebP; other formats take half)."""

GRAY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")

UPRIGHT = {  # EXIF orientation -> transposition that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Conversions = Counter[str]


class BadImageError(Exception):
    """A file that is not a usable image, with the reason and a fix."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


@dataclass(frozen=True)
class Header:
    """Properties of an image that are known before decoding; size in pixels."""

    width: int
    height: int
    gray: bool


def read_header(path: Path) -> Header:
    """The header of an image file; raises BadImageError."""
    with _opened(path) as image:
        return Header(image.width, image.height, _is_gray(image))


def read_image(path: Path, side: int, gray: bool, conversions: Conversions) -> npt.NDArray[np.uint8]:
    """Read the pixels (C, side, side) of an image file and count its conversions; raises BadImageError.

    The centre square of the shorter side is resized (bilinear, antialiased). C is 1 if `gray`, else 3.
    """
    done: set[str] = set()
    with _opened(path) as image:
        pixels = pixels_of(image, side, gray, done)
    conversions.update(done)
    return pixels


def resized(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Resize images (N, C, H, W) to (N, C, side, side), in the same way as `read_image`."""
    planes = pixels.reshape(-1, *pixels.shape[2:])
    small = [np.asarray(_centre_square(Image.fromarray(plane), side)) for plane in planes]
    return np.stack(small).reshape(*pixels.shape[:2], side, side)


def pixels_of(image: Image.Image, side: int, gray: bool, done: set[str] | None = None) -> npt.NDArray[np.uint8]:
    """The same of an opened image; conversions are added to `done`."""
    done = set() if done is None else done
    if getattr(image, "is_animated", False):
        done.add("first of several frames")
    turned_by_loading = image.getexif().get(ExifTags.Base.Orientation, 1) if image.format == "TIFF" else 1
    sixteen_bit = "16" in f"{image.mode} {_raw_mode(image)}" or image.mode == "I"
    was_gray = _is_gray(image)
    image.load()
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if sixteen_bit:
        done.add("16-bit scaled to 8")
    if {turned_by_loading, orientation} & UPRIGHT.keys():
        done.add("EXIF orientation applied")
    picture = _flattenable(image, was_gray, done)
    if picture.size != (side, side):
        done.add("resized")
        picture = _centre_square(picture, side)
    if picture.mode == "RGBA":
        done.add("alpha composited on white")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    if orientation in UPRIGHT:  # turning the resized square is cheaper, with the same result
        picture = picture.transpose(UPRIGHT[orientation])
    if was_gray and not gray:
        done.add("gray to RGB")
    array = np.asarray(picture.convert("L" if gray else "RGB"))
    return array[None] if gray else array.transpose(2, 0, 1)  # (H, W) or (H, W, 3) -> (C, H, W)


def _flattenable(image: Image.Image, gray: bool, done: set[str]) -> Image.Image:
    """Convert to 8 bits per value in mode L, RGB, or RGBA if the image has transparency."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _eight_bits(image)
    if image.mode in ("P", "PA"):
        done.add("palette expanded")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        done.add(f"{image.mode} to RGB")
    elif image.mode == "1":
        done.add("black and white to gray")
    mode = "RGBA" if image.has_transparency_data else "L" if gray else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit gray scaled to 8 bits: 65535 becomes 255."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65_535:
        raise BadImageError("its values exceed 16 bits", "save it with 8 or 16 bits")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _centre_square(image: Image.Image, side: int) -> Image.Image:
    """The largest centred square, resized, without a larger intermediate image."""
    shorter = min(image.size)
    left, top = (image.width - shorter) / 2, (image.height - shorter) / 2
    return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + shorter, top + shorter))


def _is_gray(image: Image.Image) -> bool:
    return image.mode in GRAY_MODES or _raw_mode(image).startswith("LA") or _has_gray_palette(image)


def _has_gray_palette(image: Image.Image) -> bool:
    """Whether all colours of a palette are gray; to be called before the pixels are decoded."""
    if image.mode != "P" or image.palette is None or (image.palette.rawmode or image.palette.mode) != "RGB":
        return False
    red, green, blue = (bytes(image.palette.palette)[channel::3] for channel in range(3))
    return red == green == blue


def _raw_mode(image: Image.Image) -> str:
    """How the file stores its values, such as "RGB;16B". Pillow's mode does not always show it."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow's parsers raise for damaged files."""


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open an image within the limits. Failures inside the block become a BadImageError."""
    try:
        if path.stat().st_size == 0:
            raise BadImageError("the file is empty", "copy it again or remove it")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > LARGEST_PIXELS:
                    raise _bomb(f"{image.width} x {image.height} pixels")
                if image.mode == "F":
                    raise BadImageError("floating-point pixels have no known range", "save it with 8 or 16 bits")
                yield image
    except Image.DecompressionBombError as error:
        raise _bomb("a decompression bomb") from error
    except UnidentifiedImageError as error:
        raise BadImageError("its content is not a readable image", "replace or remove it") from error
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadImageError(f"it cannot be decoded: {reason}", "copy it again or remove it") from error


def _bomb(what: str) -> BadImageError:
    return BadImageError(f"{what}, above the limit of {LARGEST_PIXELS:,} pixels", "shrink it")
