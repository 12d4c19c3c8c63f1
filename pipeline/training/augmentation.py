"""Augmentations of the source, drawn per sample on the device and composed into one resampling.

torchvision's v2 transforms draw one crop or flip for a whole batch of tensors; here each image of a batch gets its
own. Geometry (flips, crops, the resize to the recipe's resolution) is combined into a single bilinear `grid_sample`, so
that an image is resampled only once.
Source: the notebook's section on AlexNet; definitions follow torchvision's ColorJitter and RandomResizedCrop.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pipeline.training.recipe import Augmentation, ColourJitter, Flip, RandomResizedCrop


def augment(images: Tensor, augmentations: Sequence[Augmentation], side: int, generator: torch.Generator) -> Tensor:
    """Augment and resize a batch: (N, C, H, W) floats in [0, 1] -> (N, C, side, side), drawn for each image.

    Colour is changed first (values are clamped to [0, 1] after each change), then geometry, in one resampling.
    """
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count, device=images.device).uniform_(low, high, generator=generator)

    boxes: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    mirror: dict[str, Tensor] = {}
    for augmentation in augmentations:
        match augmentation:
            case Flip(op=op, probability=probability):
                flipped = uniform(0, 1) < probability
                mirror[op] = mirror[op] ^ flipped if op in mirror else flipped
            case RandomResizedCrop(scale=scale, ratio=ratio):
                boxes.append(_draw_box(uniform, scale, ratio))
            case ColourJitter(op="hue", amount=amount):
                images = _turn_hue(images, uniform(-amount, amount))
            case ColourJitter(op=op, amount=amount):
                images = _jitter(images, op, uniform(1 - amount, 1 + amount))
    for op, axis in (("horizontal-flip", 3), ("vertical-flip", 2)):
        if op in mirror:
            images = torch.where(mirror[op].view(-1, 1, 1, 1), images.flip(axis), images)
    return _resample(images, boxes, side)


def resize(images: Tensor, side: int) -> Tensor:
    """(N, C, H, W) -> (N, C, side, side), bilinear; unchanged if the side already fits."""
    if images.shape[-2:] == (side, side):
        return images
    return nn.functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)


def _draw_box(
    uniform: Callable[[float, float], Tensor], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Relative (width, height, centre x, centre y) of one box per image. Too long sides are cut to the image's."""
    area = uniform(*scale)
    aspect = uniform(math.log(ratio[0]), math.log(ratio[1])).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    # a centre with which the box stays inside the image, in coordinates from -1 to 1
    return width, height, uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)


def _resample(images: Tensor, boxes: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]], side: int) -> Tensor:
    if not boxes:
        return resize(images, side)
    # output coordinates u map to input by u -> scale * u + shift; a later box lies inside the earlier ones
    scale_x, scale_y = images.new_ones(len(images)), images.new_ones(len(images))
    shift_x, shift_y = images.new_zeros(len(images)), images.new_zeros(len(images))
    for width, height, centre_x, centre_y in boxes:
        shift_x, shift_y = shift_x + scale_x * centre_x, shift_y + scale_y * centre_y
        scale_x, scale_y = scale_x * width, scale_y * height
    zero = torch.zeros_like(scale_x)
    affine = torch.stack([scale_x, zero, shift_x, zero, scale_y, shift_y], dim=1).view(-1, 2, 3)
    grid = nn.functional.affine_grid(affine, [len(images), images.shape[1], side, side], align_corners=False)
    return nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _gray(images: Tensor) -> Tensor:
    """Luminance (ITU-R 601, as torchvision's): (N, C, H, W) -> (N, 1, H, W)."""
    if images.shape[1] != 3:
        return images.mean(dim=1, keepdim=True)
    weights = images.new_tensor([0.2989, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def _jitter(images: Tensor, op: str, factor: Tensor) -> Tensor:
    """Blend each image with black, its mean luminance or its gray version: factor * image + (1 - factor) * other."""
    factor = factor.view(-1, 1, 1, 1)
    if op == "brightness":
        return (images * factor).clamp(0, 1)
    gray = _gray(images)
    other = gray.mean(dim=(2, 3), keepdim=True) if op == "contrast" else gray
    return (images * factor + other * (1 - factor)).clamp(0, 1)


def _turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by `turn` of a full circle in HSV; images of one channel have no hue and stay unchanged."""
    if images.shape[1] != 3:
        return images
    value, _ = images.max(dim=1)  # (N, H, W)
    chroma = value - images.min(dim=1).values
    red, green, blue = images.unbind(dim=1)
    safe = chroma.clamp(min=1e-8)
    sector = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sector = sector + 6 * turn.view(-1, 1, 1)
    # a channel at offset 5, 3, 1 is value - chroma * clamp(min(k, 4 - k), 0, 1), k = (offset + sector) mod 6
    channels = []
    for offset in (5, 3, 1):
        position = (offset + sector) % 6
        channels.append(value - chroma * torch.minimum(position, 4 - position).clamp(0, 1))
    return torch.stack(channels, dim=1)
