"""A trainer as a user would write it from a textbook; benchmarks compare the engine with it.

A torchvision dataset of PIL images with Resize and ToTensor, a DataLoader with four workers, float32, NCHW, plain SGD
and all of PyTorch's threads, as `load_data_fashion_mnist` and `train_ch6` of *Dive into Deep Learning*, which the
source's notebook uses. It normalises images as the engine does and starts from the same weights: both do the same work.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

WORKERS = 4


class PilImages(Dataset[tuple[Tensor, int]]):
    """uint8 images (N, 1, H, W), read like torchvision's FashionMNIST: one transformed PIL image at a time."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, transform: Any) -> None:
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index, 0])), int(self.labels[index])


def transform(resolution: int, mean: Sequence[float], std: Sequence[float]) -> Any:
    """Resize (if needed), ToTensor, Normalize."""
    resize = [] if resolution == 28 else [transforms.Resize(resolution)]
    return transforms.Compose([*resize, transforms.ToTensor(), transforms.Normalize(mean, std)])


def train(model: nn.Module, images: PilImages, batch_size: int, learning_rate: float, epochs: int) -> list[float]:
    """Train in place; returns the seconds of each epoch."""
    loader = DataLoader(images, batch_size, shuffle=True, num_workers=WORKERS, drop_last=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    criterion = nn.CrossEntropyLoss()
    model.train()
    seconds = []
    for _ in range(epochs):
        started = time.perf_counter()
        for batch, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(batch), labels)
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - started)
    return seconds


def error_percent(model: nn.Module, images: PilImages, batch_size: int = 256) -> float:
    """The classification error on all images, in percent."""
    model.eval()
    wrong = 0
    with torch.no_grad():
        for batch, labels in DataLoader(images, batch_size, num_workers=WORKERS):
            wrong += int((model(batch).argmax(dim=1) != labels).sum())
    return 100 * wrong / len(images)
