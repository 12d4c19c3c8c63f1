"""A contact sheet: training images before and after a recipe's augmentations."""

from pathlib import Path

import torch
from PIL import Image

from pipeline.data.arrays import open_training_data
from pipeline.errors import UsageError
from pipeline.files import write_atomic
from pipeline.training.augmentation import augment, resize
from pipeline.training.images import load_images
from pipeline.training.recipe import Recipe

ROWS, DRAWS = 8, 9
SHOWN_SIDE = 64
GAP = 4


def write_contact_sheet(data_folder: Path, recipe: Recipe, seed: int, output: Path) -> None:
    """Write a PNG with ROWS images: each row shows the original, then DRAWS random augmentations of it.

    Raises UsageError if the recipe has no augmentations.
    """
    if not recipe.augmentations:
        raise UsageError("the recipe has no augmentations to show")
    train = open_training_data(data_folder).train
    images = load_images(train.images, train.labels, ROWS, "cpu").take(slice(None))[0].float() / 255  # (ROWS, C, H, W)
    side = recipe.resolution or images.shape[-1]
    stream = torch.Generator().manual_seed(seed)
    columns = [resize(images, side), *(augment(images, recipe.augmentations, side, stream) for _ in range(DRAWS))]
    shown = resize(torch.cat(columns), SHOWN_SIDE)  # ((1 + DRAWS) * ROWS, C, SHOWN_SIDE, SHOWN_SIDE)
    pixels = (shown.clamp(0, 1) * 255).round().to(torch.uint8)
    sheet = Image.new("RGB", ((SHOWN_SIDE + GAP) * (1 + DRAWS) + GAP, (SHOWN_SIDE + GAP) * ROWS + GAP), "white")
    for position, tile in enumerate(pixels):
        column, row = divmod(position, ROWS)
        array = tile[0].numpy() if tile.shape[0] == 1 else tile.permute(1, 2, 0).numpy()
        corner = (GAP + column * (SHOWN_SIDE + GAP), GAP + row * (SHOWN_SIDE + GAP))
        sheet.paste(Image.fromarray(array).convert("RGB"), corner)
    write_atomic(output, lambda file: sheet.save(file, format="PNG"))
