"""The compared trainers. Each runs in its own process, so the settings of one do not affect another.

All arms train the same network from the same initial weights on the same images, with the same batch size and number
of epochs, by plain SGD with a constant learning rate. Two batches of warm-up are not timed.
"""

import multiprocessing
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

import search_spaces
from benchmarks import textbook as textbook_trainer
from benchmarks.textbook import PilImages, transform
from pipeline.data.arrays import open_training_data
from pipeline.machine import keep_freed_memory, resolve_precision
from pipeline.running.plans import native_resolution
from pipeline.training.images import ImageData, load_images, stratified_subset
from pipeline.training.initialisation import initialise
from pipeline.training.loop import train
from pipeline.training.recipe import Precision, Recipe

SOURCE_NETWORKS = ("lenet", "alexnet", "vgg11-narrow", "nin", "googlenet", "resnet18", "densenet")
"""The seven networks of the source, at its resolutions."""
WARM_UP_BATCHES = 2
JUDGED_IMAGES = 1000


def small_networks() -> list[str]:
    """The small reference of every family."""
    return [f"{family}-small" for family in search_spaces.names()]


@dataclass(frozen=True)
class Case:
    """One training to time. `threads` None: PyTorch's default. `score`: also measure the validation error."""

    network: str
    images: int
    batch_size: int
    data: Path
    epochs: int = 1
    seed: int = 1
    learning_rate: float = 0.01
    precision: Precision = "auto"
    threads: int | None = None
    score: bool = False


@dataclass(frozen=True)
class Timed:
    """Training images per second without evaluation, and the validation error if requested."""

    images_per_second: float
    error_percent: float | None


def engine(case: Case) -> Timed:
    """This project's training engine."""
    keep_freed_memory()
    _use_threads(case)
    family, reference = search_spaces.reference(case.network)
    resolution = native_resolution(reference, 28)
    data = open_training_data(case.data)
    recipe = Recipe(
        epochs=case.epochs,
        batch_size=case.batch_size,
        train_loss_images=100,
        resolution=resolution,
        momentum=0.0,
        nesterov=False,
        weight_decay=0.0,
        schedule="constant",
        warmup_fraction=0.0,
        learning_rate=case.learning_rate,
        precision=resolve_precision(case.precision, "cpu"),
    )
    images = ImageData(
        load_images(data.train.images, data.train.labels, case.images, "cpu"),
        load_images(data.validation.images, data.validation.labels, JUDGED_IMAGES if case.score else 16, "cpu"),
        data.manifest.mean,
        data.manifest.std,
    )
    few = replace(images, train=images.train.subset(WARM_UP_BATCHES * case.batch_size))
    # two networks: training changes the memory format, and the same seed then draws other weights
    warm, network = (search_spaces.instantiate(family, reference.config, resolution, 1, 10) for _ in range(2))
    train(warm, replace(recipe, epochs=1), few, case.seed)
    history = train(network, recipe, images, case.seed)
    seconds = sum(1 / rate for rate in history.images_per_second) / case.epochs
    return Timed(1 / seconds, history.epochs[-1].validation_error_percent if case.score else None)


def textbook(case: Case) -> Timed:
    """The trainer of benchmarks/textbook.py."""
    _use_threads(case)
    network, images, validation = _pil_images(case)
    few = WARM_UP_BATCHES * case.batch_size
    first = PilImages(images.pixels[:few], images.labels[:few], images.transform)
    textbook_trainer.train(network, first, case.batch_size, case.learning_rate, 1)
    initialise(network, "he-normal", case.seed)
    seconds = textbook_trainer.train(network, images, case.batch_size, case.learning_rate, case.epochs)
    rate = case.epochs * (len(images) // case.batch_size * case.batch_size) / sum(seconds)
    return Timed(rate, textbook_trainer.error_percent(network, validation) if case.score else None)


def lightning(case: Case) -> Timed:
    """The trainer of benchmarks/lightning_trainer.py."""
    from benchmarks import lightning_trainer  # the optional extra `bench`

    _use_threads(case)
    network, images, validation = _pil_images(case)
    seconds = lightning_trainer.train(
        network,
        images,
        case.batch_size,
        case.learning_rate,
        case.epochs,
        resolve_precision(case.precision, "cpu"),
        WARM_UP_BATCHES,
    )
    batches = case.epochs * (len(images) // case.batch_size)
    rate = (batches - WARM_UP_BATCHES) * case.batch_size / seconds
    return Timed(rate, textbook_trainer.error_percent(network, validation) if case.score else None)


ARMS = {"convstudy": engine, "textbook": textbook, "lightning": lightning}


@contextmanager
def processes(arms: Iterable[str]) -> Iterator[Mapping[str, ProcessPoolExecutor]]:
    """Arm -> one process with default settings."""
    with ExitStack() as stack:
        context = multiprocessing.get_context("spawn")
        yield {arm: stack.enter_context(ProcessPoolExecutor(1, context, _as_in_a_script)) for arm in arms}


def _as_in_a_script() -> None:
    """Let DataLoaders start workers as in a user's script, without warnings."""
    multiprocessing.set_start_method(None, force=True)
    warnings.simplefilter("ignore")


def timed(pool: ProcessPoolExecutor, arm: str, case: Case) -> Timed:
    """Time one training of an arm in its process; nothing else may run."""
    return pool.submit(ARMS[arm], case).result()


def _use_threads(case: Case) -> None:
    if case.threads is not None:
        torch.set_num_threads(case.threads)


def _pil_images(case: Case, judged_images: int = JUDGED_IMAGES) -> tuple[nn.Module, PilImages, PilImages]:
    """The initialised network, the training images and the validation images."""
    family, reference = search_spaces.reference(case.network)
    resolution = native_resolution(reference, 28)
    data = open_training_data(case.data)
    network = search_spaces.instantiate(family, reference.config, resolution, 1, 10)
    initialise(network, "he-normal", case.seed)
    transforms = transform(resolution, data.manifest.mean, data.manifest.std)
    chosen = stratified_subset(data.train.labels, case.images)
    judged = stratified_subset(data.validation.labels, judged_images)
    return (
        network,
        PilImages(data.train.images[chosen], data.train.labels[chosen], transforms),
        PilImages(data.validation.images[judged], data.validation.labels[judged], transforms),
    )


def textbook_seconds(case: Case) -> tuple[float, float]:
    """Seconds per image of the textbook trainer: in training, and in evaluation."""
    network, images, validation = _pil_images(case, judged_images=4000)
    (seconds,) = textbook_trainer.train(network, images, case.batch_size, case.learning_rate, 1)
    started = time.perf_counter()
    textbook_trainer.error_percent(network, validation)
    return seconds / len(images), (time.perf_counter() - started) / len(validation)
