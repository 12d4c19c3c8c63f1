"""Augmentations: each image its own draw, each operation what torchvision's single-image one does."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from pipeline.errors import UsageError
from pipeline.reporting.charts.contact_sheet import write_contact_sheet
from pipeline.training import augmentation
from pipeline.training.augmentation import augment, resize
from pipeline.training.recipe import Augmentation, ColourJitter, Flip, RandomResizedCrop, Recipe

COUNT = 256


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(channels: int = 3, side: int = 16) -> torch.Tensor:
    return torch.rand(COUNT, channels, side, side, generator=stream(9))


@pytest.mark.parametrize(("op", "axis"), [("horizontal-flip", 3), ("vertical-flip", 2)])
def test_a_flip_mirrors_about_half_of_the_images_exactly(op: str, axis: int) -> None:
    batch = images()
    flipped = augment(batch, [Flip(op)], 16, stream())  # type: ignore[arg-type]
    same = (flipped == batch).all(dim=(1, 2, 3))
    mirrored = (flipped == batch.flip(axis)).all(dim=(1, 2, 3))
    assert bool((same ^ mirrored).all())
    assert 0.35 < mirrored.float().mean() < 0.65


@pytest.mark.parametrize(
    "op", [Flip("horizontal-flip"), RandomResizedCrop("random-resized-crop"), ColourJitter("brightness", 0.5)]
)
def test_every_image_has_its_own_draw_and_draws_repeat_with_the_stream(op: Augmentation) -> None:
    batch = images()[:1].expand(COUNT, -1, -1, -1)
    first, second = (augment(batch, [op], 16, stream(seed)) for seed in (1, 1))
    assert torch.equal(first, second)
    assert len({tuple(image.flatten().tolist()) for image in first}) > 1
    assert not torch.equal(first, augment(batch, [op], 16, stream(2)))


@pytest.mark.parametrize(
    ("op", "theirs"),
    [("brightness", tv.adjust_brightness), ("contrast", tv.adjust_contrast), ("saturation", tv.adjust_saturation)],
)
@pytest.mark.parametrize("factor", [0.3, 1.0, 1.6])
def test_colour_changes_are_those_of_torchvision(op: str, theirs: object, factor: float) -> None:
    batch = images()
    ours = augmentation._jitter(batch, op, torch.full((COUNT,), factor))
    torch.testing.assert_close(ours, theirs(batch, factor), atol=1e-5, rtol=1e-4)  # type: ignore[operator]


@pytest.mark.parametrize("turn", [-0.4, 0.0, 0.25])
def test_turning_the_hue_is_what_torchvision_does(turn: float) -> None:
    batch = images()
    ours = augmentation._turn_hue(batch, torch.full((COUNT,), turn))
    torch.testing.assert_close(ours, tv.adjust_hue(batch, turn), atol=1e-4, rtol=1e-3)


def test_gray_images_have_no_hue_or_saturation() -> None:
    batch = images(channels=1)
    changed = augment(batch, [ColourJitter("hue", 0.5), ColourJitter("saturation", 1.0)], 16, stream())
    torch.testing.assert_close(changed, batch)


def test_a_crop_of_the_whole_image_is_the_image() -> None:
    batch = images()
    whole = RandomResizedCrop("random-resized-crop", scale=(1.0, 1.0), ratio=(1.0, 1.0))
    torch.testing.assert_close(augment(batch, [whole], 16, stream()), batch, atol=1e-5, rtol=1e-5)


def test_crops_cover_the_drawn_share_of_the_area_and_stay_inside() -> None:
    side = 32
    ramp_x = torch.linspace(-1, 1, side).expand(COUNT, 1, side, side)
    ramp_y = ramp_x.transpose(2, 3)
    crop = RandomResizedCrop("random-resized-crop", scale=(0.25, 0.5))
    cut = augment(torch.cat([ramp_x, ramp_y], dim=1), [crop], side, stream())
    low, high = cut.flatten(2).min(dim=2).values, cut.flatten(2).max(dim=2).values  # (N, 2): x and y
    areas = ((high - low) / 2).prod(dim=1)
    assert low.min() >= -1 and high.max() <= 1
    assert areas.min() > 0.2 and areas.max() < 0.55
    assert areas.std() > 0.03


def test_crop_and_resize_are_one_step_to_the_wanted_side() -> None:
    crop = RandomResizedCrop("random-resized-crop")
    assert augment(images(), [crop], 24, stream()).shape == (COUNT, 3, 24, 24)


def test_resizing_is_bilinear_and_free_where_nothing_changes() -> None:
    batch = images()
    assert resize(batch, 16) is batch
    torch.testing.assert_close(resize(batch, 32), tv.resize(batch, [32, 32], antialias=False))


def test_a_contact_sheet_shows_what_becomes_of_real_images(prepared_fashion_mnist: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, augmentations=(Flip("vertical-flip"), RandomResizedCrop("random-resized-crop")))
    write_contact_sheet(prepared_fashion_mnist, recipe, 0, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (10 * 68 + 4, 8 * 68 + 4)
        assert len(set(sheet.convert("L").tobytes())) > 50
    with pytest.raises(UsageError, match="no augmentations"):
        write_contact_sheet(prepared_fashion_mnist, Recipe(epochs=1), 0, tmp_path / "none.png")
