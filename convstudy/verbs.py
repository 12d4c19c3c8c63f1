"""The verbs of data and of single networks as functions: the same options under the same names, and records back.

Progress is shown as on a terminal, in a notebook in the cell; `quiet=True` shows nothing.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from convstudy.places import workspace

if TYPE_CHECKING:
    from pipeline.actions.inputs import GivenNetwork
    from pipeline.cost.records import CostProfile
    from pipeline.data.manifest import Manifest
    from pipeline.running.single import TrainedRun


def prepare(
    source: str | os.PathLike[str] = "fashion-mnist",
    *,
    name: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    group_by: str | None = None,
    given: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> "Manifest":
    """Obtain, check and split images into the workspace's `data/prepared`.

    Args:
        source: a published data set's name, a folder of class folders, or a CSV with columns path and label.
        name: the data set's name; None: the source's.
        image_size: side in pixels; None: the images' own, or 32.
        seed: of the split.
        skip_bad: leave unusable files out.
        group_by: a regular expression; images whose paths agree in its first group stay in one split.
        given: a folder with a published data set's files (`--from`).
        quiet: show nothing.

    Returns:
        The manifest: name, image shape, class names, images of each split, what was converted.

    Raises:
        UsageError: the source does not exist, or an option is impossible.
        DataError: images cannot be had or used; it lists them all.

    >>> manifest = convstudy.prepare("pictures", quiet=True)
    >>> manifest.name, manifest.image_shape, manifest.class_names
    ('pictures', (1, 28, 28), ('Bag', 'Sneaker'))
    """
    from pipeline.data.prepare import prepare as prepare_data

    here = workspace()
    return prepare_data(
        os.fspath(source),
        here.raw_data,
        here.prepared_data,
        name=name,
        image_size=image_size,
        seed=seed,
        skip_bad=skip_bad,
        group_by=group_by,
        given_folder=None if given is None else Path(given),
        tell=(lambda _: None) if quiet else print,
    )


def profile(
    network: "GivenNetwork",
    *,
    resolution: int | None = None,
    channels: int = 1,
    classes: int = 10,
    device: str = "auto",
    no_latency: bool = False,
) -> "CostProfile":
    """Price one network: parameters, MACs, activations, memory, latency, layer by layer.

    Args:
        network: a reference's name, the path of a CONFIG.json, or {"family": …, "config": {…}} as a trial has it.
        resolution: in pixels; None: the reference's own, or 28.
        channels: of the images.
        classes: of the data.
        device: auto, cpu or cuda.
        no_latency: count only; time nothing.

    Raises:
        UsageError: there is no such network, or it cannot take images of that resolution.

    >>> convstudy.profile("resnet-small", no_latency=True).macs
    2636672
    """
    workspace()
    from pipeline.actions import networks

    return networks.profile(network, resolution, channels, classes, device, latency=not no_latency)


def train(
    network: "GivenNetwork",
    *,
    data: str | None = None,
    epochs: int | None = None,
    train_images: int | None = None,
    recipe: str = "common",
    lr: float | None = None,
    seed: int = 1,
    device: str = "auto",
    workdir: str | os.PathLike[str] | None = None,
    test: bool = False,
    quiet: bool = False,
) -> "TrainedRun":
    """Train one network once, and keep its weights. An interrupted training resumes; a finished one is found.

    Args:
        network: a reference's name, the path of a CONFIG.json, or {"family": …, "config": {…}} as a trial has it.
        data: a prepared data set, by name or folder; None: that of params.yaml.
        epochs: None: the recipe's.
        train_images: size of a stratified subset; None: all.
        recipe: a recipe of params.yaml.
        lr: peak learning rate; None: the recipe's.
        seed: of initial weights and order of images.
        device: auto, cpu or cuda.
        workdir: where runs/ and mlruns/ are kept; None: in the workspace.
        test: score the test split once, after training.
        quiet: show no progress.

    Returns:
        The run: its address, one entry of `history` an epoch, the test error if it was asked for.

    Raises:
        UsageError: something is unknown or impossible.
        DataError: the data set is not prepared.
        RunsFailedError: the training failed.

    >>> run = convstudy.train("lenet-small", epochs=1, train_images=512, quiet=True)
    >>> run.state, len(convstudy.frame(run.history))
    ('complete', 1)
    >>> convstudy.load(run.run).finished.info.spec.family
    'lenet'
    """
    from pipeline.running.workers import prepare_workers

    here = workspace()
    prepare_workers()
    from pipeline.actions import networks

    trained = networks.train(
        here,
        network,
        data=data,
        epochs=epochs,
        train_images=train_images,
        recipe=recipe,
        lr=lr,
        seed=seed,
        device=device,
        workdir=None if workdir is None else Path(workdir),
        test=test,
        quiet=quiet,
    )
    networks.check_training(trained)
    return trained
