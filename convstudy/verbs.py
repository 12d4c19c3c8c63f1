"""The verbs `prepare`, `profile` and `train` as functions, with the same options. They return records."""

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
        source: name of a published data set, folder of class folders, or CSV file with the columns path and label.
        name: name of the data set; None: the source's.
        image_size: side in pixels; None: that of the images, or 32.
        seed: seed of the split.
        skip_bad: skip unusable files instead of raising an error.
        group_by: regular expression. Images whose paths have the same first group stay in one split.
        given: folder with the files of a published data set (`--from`).
        quiet: show no progress.

    Returns:
        The manifest: `name`, `image_shape` (C, H, W), `class_names`, `splits` with the number of images per class, and
        `conversions`, the number of images converted, by kind.

    Raises:
        UsageError: the source does not exist, or an option is impossible.
        DataError: images cannot be obtained or used. The message lists all faults.
        StorageError: a file or folder cannot be written.

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
    """Count and measure what one network costs, in total and layer by layer.

    Args:
        network: name of a reference, path of a CONFIG.json, or {"family": …, "config": {…}} as in the table of trials.
        resolution: side of the images in pixels; None: the reference's, or 28.
        channels: channels of the images.
        classes: number of classes.
        device: auto, cpu or cuda.
        no_latency: only count; measure no latency and no memory.

    Returns:
        The profile. It has `params`; `macs` and `activations` per image; `latency_seconds` per batch, by batch
        size; `train_memory_bytes`; and `layers`, which `frame` converts to a table.

    Raises:
        UsageError: there is no such network, or it cannot be built for these images.

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
    """Train one network once and keep its weights. Call it again to resume, or to get the finished run.

    Args:
        network: name of a reference, path of a CONFIG.json, or {"family": …, "config": {…}} as in the table of trials.
        data: prepared data set, by name or folder; None: the one in params.yaml.
        epochs: number of epochs; None: the recipe's.
        train_images: number of training images, a stratified subset; None: all.
        recipe: recipe in params.yaml.
        lr: peak learning rate; None: the recipe's.
        seed: seed of initial weights and image order.
        device: auto, cpu or cuda.
        workdir: folder for runs/ and mlruns/; None: the workspace.
        test: whether to score the test split once, after training.
        quiet: show no progress.

    Returns:
        The run. It has `run`, its address; `history` with losses and validation errors in percent, one entry per epoch,
        which `frame` converts to a table; and `test_error_percent`, if requested.

    Raises:
        UsageError: an argument is unknown or impossible.
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
