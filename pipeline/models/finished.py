"""Opens a finished network: its verified weights, with everything needed to use them."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import search_spaces
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import DataError, StorageError, UsageError
from pipeline.evidence.records import RunHeader, RunSpec
from pipeline.evidence.store import RunFolder
from pipeline.machine import DeviceKind
from pipeline.models.weights import WeightsInfo, hash_weights, load_weights, weights_info
from pipeline.schema import parse
from pipeline.training.images import Preparation


@dataclass(frozen=True)
class FinishedNetwork:
    """A trained network in eval mode.

    Attributes:
        model: (N, C, side, side) float -> (N, classes) logits.
        preparation: `preparation.for_evaluation` turns (N, C, H, W) uint8 images into its inputs.
        info: its run, its training data, and their mean and standard deviation.
        weights_sha256: verified hash of all tensors.
    """

    model: nn.Module
    preparation: Preparation
    info: WeightsInfo
    weights_sha256: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return self.info.data.class_names


def open_network(
    folder: RunFolder, data_folder: Path | None = None, device: DeviceKind | None = None
) -> FinishedNetwork:
    """Open the network of a run in the run store.

    Args:
        folder: folder of the run.
        data_folder: folder of its prepared data. Needed only if the weights file lacks class names and normalisation,
            as files of earlier versions do.
        device: device of the network; None: the one it was trained on.

    Raises:
        UsageError: the run does not exist, or is not finished.
        StorageError: its weights are missing, damaged, or belong to another run.
        DataError: class names and normalisation are unknown, or `data_folder` does not hold the run's data.
    """
    header, result = folder.header(), folder.result()
    if header is None or result is None or result.weights_sha256 is None:
        state = "does not exist" if header is None else f"is {'not finished' if result is None else result.state}"
        raise UsageError(f"run {folder.run} {state}: it has no network to open")
    if not folder.weights.exists():
        raise StorageError(f"{folder.weights} is gone: {_how_to_restore(header)}")
    spec, (weights, info) = header.spec, load_weights(folder.weights)
    if hash_weights(weights) != result.weights_sha256 or (info is not None and info.spec != spec):
        raise StorageError(f"{folder.weights} does not hold the weights of {folder.path / 'result.json'}")
    if info is None:
        info = _info_of_data(folder, spec, data_folder)
    model = build_network(spec)
    model.load_state_dict(weights)
    return FinishedNetwork(
        model=model.to(device or spec.device).to(memory_format=torch.channels_last).eval(),
        preparation=Preparation(spec.recipe, info.mean, info.std, spec.resolution, device or spec.device),
        info=info,
        weights_sha256=result.weights_sha256,
    )


def _how_to_restore(header: RunHeader) -> str:
    """The command that trains the network again and keeps its weights. It depends on what the run was trained for."""
    parents = {member.role: member.parent for member in header.members}
    if "single" in parents or not parents:
        return f"run the same `convstudy train {header.name}` again"
    command = "train its Config with `convstudy train CONFIG.json`, which keeps weights"
    return f"{command}; study {parents['trial']} keeps only those of its front" if "trial" in parents else command


def _info_of_data(folder: RunFolder, spec: RunSpec, data_folder: Path | None) -> WeightsInfo:
    if data_folder is None:
        raise DataError(f"{folder.weights} has no class names and no normalisation: give the run's prepared data")
    manifest = load_manifest(data_folder)
    check_data(data_folder, manifest, spec.data)
    return weights_info(spec, manifest)


def check_data(folder: Path, manifest: Manifest, fingerprint: str) -> None:
    """Raise DataError if a folder does not hold the data with this fingerprint."""
    if manifest.fingerprint != fingerprint:
        raise DataError(
            f"{folder} holds data {manifest.fingerprint}, but the run was planned for {fingerprint}: plan again, or "
            "prepare the former data"
        )


def build_network(spec: RunSpec, device: str = "cpu") -> nn.Module:
    """Build the network of a run, before its recipe initialises the weights. On the device "meta" it has none."""
    family = search_spaces.family(spec.family)
    config = parse(family.config, spec.config, f"config of {spec.family}")
    return search_spaces.instantiate(family, config, spec.resolution, spec.channels, spec.classes, device)
