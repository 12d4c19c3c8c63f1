"""Weights files: safetensors, whose metadata say what it takes to use the weights.

The metadata have one key, whose value is the JSON of a `WeightsInfo`: safetensors writes several keys in random order,
and one training is to write the same bytes each time. Files of earlier versions have none.
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
    """What a weights file says of itself: the network, its data with their class names, and how images are normalised.

    `mean` and `std` are per channel, of training pixels scaled to [0, 1]. Images have the shape `data.image_shape`
    (C, H, W) and are resized to `spec.resolution` pixels.
    """

    schema: Literal["weights/1"]
    spec: RunSpec
    data: DataSummary
    mean: tuple[float, ...]
    std: tuple[float, ...]


def weights_info(spec: RunSpec, manifest: Manifest) -> WeightsInfo:
    """What goes with the weights of a run on these data."""
    return WeightsInfo("weights/1", spec, summary(manifest), manifest.mean, manifest.std)


def save_weights(path: Path, weights: dict[str, torch.Tensor], info: WeightsInfo) -> None:
    """Write a weights file, whole or not at all."""
    write_bytes(path, safetensors.torch.save(weights, {METADATA_KEY: canonical_json(to_json(info))}))


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], WeightsInfo | None]:
    """The weights on the CPU and what the file says of them, None in files of earlier versions.

    Raises StorageError where the file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = (file.metadata() or {}).get(METADATA_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
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
