"""Profiles or trains one network, and lists the reference networks."""

from dataclasses import dataclass
from pathlib import Path

import search_spaces
from pipeline.actions.inputs import GivenNetwork, open_data, read_network
from pipeline.cost.profile import profile_network
from pipeline.cost.records import CostProfile
from pipeline.errors import RunsFailedError
from pipeline.machine import resolve_device
from pipeline.running.plans import resolve_network
from pipeline.running.single import TrainedRun, single_request, train_single
from pipeline.workspace import Workspace

DEFAULT_RESOLUTION = 28


@dataclass(frozen=True)
class ReferenceRow:
    """A reference network with its counts at its own resolution in pixels, for 1 channel and 10 classes."""

    name: str
    family: str
    resolution: int
    params: int
    macs: int
    source: str


def architectures() -> list[ReferenceRow]:
    """List all reference networks."""
    return [
        ReferenceRow(name, family.name, known.resolution, known.params, known.macs, known.source)
        for name, (family, known) in search_spaces.references().items()
    ]


def profile(
    network: GivenNetwork, resolution: int | None, channels: int, classes: int, device: str, latency: bool
) -> CostProfile:
    """Count the costs of a network; with `latency`, also measure latency and memory.

    `resolution` is in pixels; None: the reference's, or 28.
    """
    name, given = read_network(network)
    family, config, reference = resolve_network(name, given)
    side = resolution or (reference.resolution if reference else DEFAULT_RESOLUTION)
    return profile_network(name, family, config, side, channels, classes, resolve_device(device), latency=latency)


def train(
    workspace: Workspace,
    network: GivenNetwork,
    *,
    data: str | None,
    epochs: int | None,
    train_images: int | None,
    recipe: str,
    lr: float | None,
    seed: int,
    device: str,
    workdir: Path | None,
    test: bool,
    quiet: bool,
) -> TrainedRun:
    """Train a network once, or return its finished run. None keeps the recipe's value."""
    settings, folder, manifest = open_data(workspace, data)
    changes = {"epochs": epochs, "train_images": train_images, "learning_rate": lr}
    given = {key: value for key, value in changes.items() if value is not None}
    name, config = read_network(network)
    request = single_request(name, config, settings, recipe, given, manifest, seed, resolve_device(device), test)
    return train_single(Workspace(workdir.resolve()) if workdir else workspace, folder, manifest, request, quiet)


def check_training(trained: TrainedRun) -> None:
    """Raise RunsFailedError if a training failed."""
    if trained.state == "failed":
        raise RunsFailedError(f"{trained.name}: {trained.reason}")
