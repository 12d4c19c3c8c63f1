"""What a run is made of: its data in memory, verified, and its network as it begins; and the hash of its weights."""

import functools
import hashlib
from pathlib import Path

import torch
from torch import nn

import search_spaces
from pipeline.data.arrays import open_training_data
from pipeline.errors import DataError
from pipeline.evidence.records import RunSpec
from pipeline.schema import parse
from pipeline.training.images import ImageData, load_images


@functools.lru_cache(maxsize=2)
def training_data(
    folder: Path, fingerprint: str, train_images: int | None, validation_images: int | None, device: str
) -> ImageData:
    """The verified splits in memory; kept by the worker for its next job."""
    data = open_training_data(folder)
    if data.manifest.fingerprint != fingerprint:
        raise DataError(prepared_anew(folder, data.manifest.fingerprint, fingerprint))
    return ImageData(
        load_images(data.train.images, data.train.labels, train_images, device),
        load_images(data.validation.images, data.validation.labels, validation_images, device),
        data.manifest.mean,
        data.manifest.std,
    )


def prepared_anew(folder: Path, found: str, wanted: str) -> str:
    """What to say where data are not those of a run."""
    return f"{folder} holds data {found}, the run was planned for {wanted}: plan again, or prepare the former data"


def build_network(spec: RunSpec, device: str = "cpu") -> nn.Module:
    """The network of a run, as it is before its recipe gives it initial weights; on the device "meta" without any."""
    family = search_spaces.family(spec.family)
    config = parse(family.config, spec.config, f"config of {spec.family}")
    return search_spaces.instantiate(family, config, spec.resolution, spec.channels, spec.classes, device)


def hash_weights(weights: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors, in order of their names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
