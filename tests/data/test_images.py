"""What becomes of one image file, format by format, checked against pixels known beforehand."""

from pathlib import Path

import numpy as np
import pytest
from image_files import COLOUR, GRADIENT, png, read
from image_folders import digits
from PIL import Image, ImageOps

from pipeline.data.images import read_header, resized


def scanlines(samples: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp", "gif", "jpg"])
def test_gray_stays_gray_in_every_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    Image.fromarray(GRADIENT).save(path, lossless=True, quality=100)
    gray = read_header(path).gray
    pixels, conversions = read(path, gray)
    assert pixels.shape == ((1 if gray else 3), 16, 16)
    assert np.abs(pixels[0].astype(int) - GRADIENT).max() <= 1
    assert gray or ending == "webp", "WebP alone has no gray"
    assert conversions.keys() <= {"palette expanded"}


def test_gray_becomes_three_equal_channels_in_a_colour_set(tmp_path: Path) -> None:
    Image.fromarray(GRADIENT).save(tmp_path / "x.png")
    pixels, conversions = read(tmp_path / "x.png")
    assert (pixels == GRADIENT).all()
    assert conversions == {"gray to RGB": 1}


def test_colour_is_channels_first(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "x.png")
    pixels, conversions = read(tmp_path / "x.png")
    assert (pixels == COLOUR.transpose(2, 0, 1)).all()
    assert conversions == {}


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, ending: str) -> None:
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / f"x.{ending}")
    assert read_header(tmp_path / f"x.{ending}").gray
    pixels, conversions = read(tmp_path / f"x.{ending}", gray=True)
    assert (pixels[0] == np.arange(256).reshape(16, 16)).all()
    assert conversions == {"16-bit scaled to 8": 1}


def test_sixteen_bits_are_rounded_not_cut(tmp_path: Path) -> None:
    values = np.array([0, 128, 129, 257, 65406, 65407, 65535, 300] * 32, np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "x.png")
    assert read(tmp_path / "x.png", gray=True)[0][0, 0, :8].tolist() == [0, 0, 1, 1, 254, 255, 255, 1]


def test_sixteen_bit_colour_and_alpha_are_scaled_too(tmp_path: Path) -> None:
    samples = np.repeat(COLOUR.reshape(16, 48).astype(np.uint16) * 257, 1, axis=1)
    pixels, conversions = read(png(tmp_path / "rgb.png", 16, 2, scanlines(samples)))
    assert (pixels == COLOUR.transpose(2, 0, 1)).all()
    assert conversions == {"16-bit scaled to 8": 1}

    samples = np.stack([GRADIENT.astype(np.uint16) * 257, np.full((16, 16), 65535, np.uint16)], -1).reshape(16, 32)
    path = png(tmp_path / "la.png", 16, 4, scanlines(samples))
    assert read_header(path).gray
    pixels, conversions = read(path, gray=True)
    assert (pixels[0] == GRADIENT).all()
    assert conversions == {"16-bit scaled to 8": 1, "alpha composited on white": 1}


def test_alpha_is_composited_on_white(tmp_path: Path) -> None:
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, 8:] = 255
    alpha[:, 4:8] = 51
    Image.fromarray(np.dstack([COLOUR, alpha])).save(tmp_path / "rgba.png")
    pixels, conversions = read(tmp_path / "rgba.png")
    share = alpha / 255
    expected = COLOUR * share[..., None] + 255 * (1 - share[..., None])
    assert np.abs(pixels.transpose(1, 2, 0) - expected).max() <= 1
    assert (pixels[:, :, :4] == 255).all()
    assert conversions == {"alpha composited on white": 1}

    Image.merge("LA", [Image.fromarray(GRADIENT), Image.fromarray(alpha)]).save(tmp_path / "la.png")
    pixels, conversions = read(tmp_path / "la.png", gray=True)
    assert np.abs(pixels[0] - (GRADIENT * share + 255 * (1 - share))).max() <= 1
    assert conversions == {"alpha composited on white": 1}


def test_hidden_colour_under_alpha_does_not_bleed_when_resized(tmp_path: Path) -> None:
    image = np.zeros((32, 32, 4), np.uint8)
    image[:, :, 0] = 255  # red everywhere, but seen nowhere
    Image.fromarray(image).save(tmp_path / "x.png")
    assert (read(tmp_path / "x.png")[0] == 255).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_colour_counts_as_alpha(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.where(GRADIENT < 100, 0, 200).astype(np.uint8)).convert(mode)
    transparency: int | tuple[int, int, int] = (0, 0, 0) if mode == "RGB" else 0
    image.save(tmp_path / "x.png", transparency=transparency)
    pixels, conversions = read(tmp_path / "x.png")
    assert (pixels == np.where(GRADIENT < 100, 255, 200)).all()
    assert conversions["alpha composited on white"] == 1


@pytest.mark.parametrize("ending", ["png", "gif", "tif", "bmp"])
def test_a_palette_of_colours_is_colour(tmp_path: Path, ending: str) -> None:
    for colours in (2, 3, 8, 200):
        Image.fromarray(COLOUR).quantize(colours).save(tmp_path / f"x.{ending}")
        assert not read_header(tmp_path / f"x.{ending}").gray


def test_palette_cmyk_and_black_and_white_are_converted(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOUR).quantize(8)
    palette.save(tmp_path / "p.png")
    pixels, conversions = read(tmp_path / "p.png")
    assert (pixels.transpose(1, 2, 0) == np.asarray(palette.convert("RGB"))).all()
    assert conversions == {"palette expanded": 1}

    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "c.tif")
    pixels, conversions = read(tmp_path / "c.tif")
    assert np.abs(pixels.transpose(1, 2, 0).astype(int) - COLOUR).max() <= 2
    assert conversions == {"CMYK to RGB": 1}

    Image.fromarray(GRADIENT > 100).save(tmp_path / "1.png")
    pixels, conversions = read(tmp_path / "1.png", gray=True)
    assert (pixels[0] == np.where(GRADIENT > 100, 255, 0)).all()
    assert conversions == {"black and white to gray": 1}


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, ending: str) -> None:
    wide = np.zeros((16, 24, 3), np.uint8)
    wide[:8, :12] = (255, 0, 0)
    wide[8:, 12:] = (0, 0, 255)
    wide[:8, 12:] = (0, 160, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x.{ending}"
    Image.fromarray(wide).save(path, exif=exif, quality=95, subsampling=0, lossless=True)
    tagged = Image.fromarray(wide)
    tagged.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(tagged)
    left, top = (upright.width - 16) // 2, (upright.height - 16) // 2
    expected = np.asarray(upright.crop((left, top, left + 16, top + 16))).astype(int)
    pixels, conversions = read(path)
    assert np.abs(pixels.transpose(1, 2, 0) - expected).mean() < 3
    assert conversions.get("EXIF orientation applied", 0) == (orientation > 1)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_impossible_orientation_is_ignored(tmp_path: Path, value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    Image.fromarray(COLOUR).save(tmp_path / "x.png", exif=exif)
    pixels, conversions = read(tmp_path / "x.png")
    assert (pixels == COLOUR.transpose(2, 0, 1)).all()
    assert conversions == {}


def test_the_first_frame_of_an_animation_counts(tmp_path: Path) -> None:
    frames = [Image.fromarray(GRADIENT), Image.fromarray(255 - GRADIENT)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    pixels, conversions = read(tmp_path / "x.gif")
    assert np.abs(pixels.astype(int) - GRADIENT).max() <= 1
    assert conversions["first of several frames"] == 1


def test_resizing_takes_the_centre_square_antialiased(tmp_path: Path) -> None:
    wide = np.zeros((64, 200), np.uint8)
    wide[:, 68:132] = np.kron(GRADIENT, np.ones((4, 4), np.uint8))
    Image.fromarray(wide).save(tmp_path / "x.png")
    pixels, conversions = read(tmp_path / "x.png", gray=True)
    assert np.abs(pixels[0].astype(int) - GRADIENT).mean() < 2.5
    assert conversions == {"resized": 1}

    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checks).save(tmp_path / "checks.png")
    pixels, _ = read(tmp_path / "checks.png", gray=True)
    assert np.abs(pixels[0].astype(int) - 127).max() <= 4, "without antialiasing, checks become black or white"


def test_resizing_an_array_is_resizing_its_images(tmp_path: Path) -> None:
    images = digits()[0][:20]
    small = resized(images[:, None], 14)
    assert small.shape == (20, 1, 14, 14)
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "x.png")
        assert (read(tmp_path / "x.png", gray=True, side=14)[0] == small[number]).all()


def test_a_line_of_pixels_does_not_grow_into_a_vast_picture(tmp_path: Path) -> None:
    Image.new("RGB", (200_000, 1), "red").save(tmp_path / "x.png")
    pixels, _ = read(tmp_path / "x.png", side=32)
    assert (pixels[0] == 255).all()
