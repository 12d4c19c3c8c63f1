"""Measures a run's final weights: test error, and probes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from pipeline.data.arrays import open_test_data
from pipeline.data.manifest import load_manifest
from pipeline.errors import DataError
from pipeline.evidence.records import ProbeRecord, TestScore
from pipeline.evidence.store import RunFolder
from pipeline.models.finished import build_network, check_data, open_network
from pipeline.running.inputs import training_data
from pipeline.training.evaluation import evaluate
from pipeline.training.images import load_images
from pipeline.training.initialisation import initialise
from pipeline.training.probes import PROBES, Probed

SIGN_SECONDS = 1.0


def take_probes(folder: RunFolder, data_folder: Path, wanted: Sequence[str]) -> ProbeRecord:
    """Take the wanted probes; the record also holds those taken before."""
    network = open_network(folder, data_folder)
    spec, recipe = network.info.spec, network.info.spec.recipe
    data, _ = training_data(data_folder, spec.data, recipe.train_images, recipe.validation_images, spec.device)

    def initial() -> nn.Module:
        model = build_network(spec)
        initialise(model, recipe.initialisation, spec.seed)
        return model.to(spec.device).to(memory_format=torch.channels_last)

    probed = Probed(network.model, initial, recipe, data, _signs_of(folder))
    taken = folder.probes()
    figures = {name: taken[name] if name in taken else PROBES[name](probed) for name in {*taken, *wanted}}
    return ProbeRecord("probes/1", folder.run, dict(sorted(figures.items())), network.weights_sha256)


def score_test(folder: RunFolder, data_folder: Path, test_data: str) -> TestScore:
    """Evaluate a run on the test split; raises DataError if the folder's split is not `test_data`."""
    network = open_network(folder, data_folder)
    spec, manifest = network.info.spec, load_manifest(data_folder)
    check_data(data_folder, manifest, spec.data)
    if manifest.test_fingerprint != test_data:
        raise DataError(f"{data_folder} holds another test split: plan again, or prepare the former data")
    test = open_test_data(data_folder)
    images = load_images(test.images, test.labels, None, spec.device)
    precision, parts = spec.recipe.precision, folder.micro_batches
    score = evaluate(network.model, images, network.preparation, precision, _signs_of(folder), parts)
    return TestScore(
        schema="test/1",
        run=folder.run,
        test_error_percent=score.error_percent,
        test_loss=score.loss,
        images=len(images),
        test_data=manifest.test_fingerprint,
        weights_sha256=network.weights_sha256,
    )


def _signs_of(folder: RunFolder) -> Callable[[], None]:
    """A function for evaluations to call, which touches the run's `alive` file once per SIGN_SECONDS."""
    last = [0.0]

    def alive() -> None:
        if time.monotonic() - last[0] >= SIGN_SECONDS:
            last[0] = time.monotonic()
            folder.alive.touch()

    return alive
