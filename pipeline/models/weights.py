"""Weights files: safetensors, with metadata that say how to use the weights.

The metadata have a single key, with the JSON of a `WeightsInfo` as value. safetensors writes several keys in random
order, but a training must always write the same bytes. Files of earlier versions have no metadata.
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
from pydantic.dataclasses import dataclass

from pipeline.data.manifest import DataSummary, Manifest, summary
from pipeline.errors import StorageError, UsageError
from pipeline.evidence.records import RunSpec
from pipeline.files import canonical_json, write_bytes
from pipeline.schema import STRICT, parse, to_json

METADATA_KEY = "convstudy"


@dataclass(frozen=True, config=STRICT)
class WeightsInfo:
    """The metadata of a weights file: the network, its data with class names, and the normalisation of images.

    `mean` and `std` are per channel, of training pixels scaled to [0, 1]. Images have the shape `data.image_shape`
    (C, H, W) and are resized to `spec.resolution` pixels.
    """

    schema: Literal["weights/1"]
    spec: RunSpec
    data: DataSummary
    mean: tuple[float, ...]
    std: tuple[float, ...]


def weights_info(spec: RunSpec, manifest: Manifest) -> WeightsInfo:
    """The metadata for the weights of a run on these data."""
    return WeightsInfo("weights/1", spec, summary(manifest), manifest.mean, manifest.std)


def save_weights(path: Path, weights: dict[str, torch.Tensor], info: WeightsInfo) -> None:
    """Write a weights file atomically."""
    write_bytes(path, safetensors.torch.save(weights, {METADATA_KEY: canonical_json(to_json(info))}))


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], WeightsInfo | None]:
    """The weights on the CPU and their metadata, which are None in files of earlier versions.

    Raises StorageError if the file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = (file.metadata() or {}).get(METADATA_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - `file` is not iterable
        return weights, None if metadata is None else parse(WeightsInfo, json.loads(metadata), str(path))
    except (safetensors.SafetensorError, ValueError, UsageError) as error:
        raise StorageError(f"{path} is damaged: {error}") from error


def read_info(path: Path) -> WeightsInfo | None:
    """What a weights file says of itself, without reading the weights; None in files of earlier versions.

    Raises StorageError where the file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = (file.metadata() or {}).get(METADATA_KEY)
        return None if metadata is None else parse(WeightsInfo, json.loads(metadata), str(path))
    except (safetensors.SafetensorError, ValueError, UsageError) as error:
        raise StorageError(f"{path} is damaged: {error}") from error


def hash_weights(weights: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors, in order of their names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
