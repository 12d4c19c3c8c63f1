"""What is measured of a run's final weights: its error on the test split, and probes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from pipeline.data.arrays import open_test_data
from pipeline.data.manifest import load_manifest
from pipeline.errors import DataError, StorageError
from pipeline.evidence.records import ProbeRecord, Result, RunHeader, TestScore
from pipeline.evidence.store import RunFolder
from pipeline.running.inputs import build_network, hash_weights, prepared_anew, training_data
from pipeline.training.evaluation import evaluate
from pipeline.training.images import ImageData, Preparation, load_images
from pipeline.training.initialisation import initialise
from pipeline.training.probes import PROBES, Probed

SIGN_SECONDS = 1.0


def _trained(folder: RunFolder, header: RunHeader, result: Result) -> nn.Module:
    """The network of a finished run with its final weights, in eval mode."""
    weights = safetensors.torch.load_file(folder.weights)
    if hash_weights(weights) != result.weights_sha256:
        raise StorageError(f"{folder.weights} does not hold the weights of {folder.path / 'result.json'}")
    model = build_network(header.spec)
    model.load_state_dict(weights)
    return model.to(header.spec.device).to(memory_format=torch.channels_last).eval()


def take_probes(
    folder: RunFolder, header: RunHeader, result: Result, data_folder: Path, wanted: Sequence[str]
) -> ProbeRecord:
    """All probes that are wanted, with those taken before."""
    spec, recipe = header.spec, header.spec.recipe
    data = training_data(data_folder, spec.data, recipe.train_images, recipe.validation_images, spec.device)

    def initial() -> nn.Module:
        model = build_network(spec)
        initialise(model, recipe.initialisation, spec.seed)
        return model.to(spec.device).to(memory_format=torch.channels_last)

    probed = Probed(_trained(folder, header, result), initial, recipe, data, _signs_of(folder))
    taken = folder.probes()
    figures = {name: taken[name] if name in taken else PROBES[name](probed) for name in {*taken, *wanted}}
    assert result.weights_sha256 is not None
    return ProbeRecord("probes/1", header.run, dict(sorted(figures.items())), result.weights_sha256)


def score_test(folder: RunFolder, header: RunHeader, result: Result, data_folder: Path, test_data: str) -> TestScore:
    """The run's error on the test split; raises DataError where the folder holds another one than `test_data`."""
    spec = header.spec
    model = _trained(folder, header, result)
    manifest = load_manifest(data_folder)
    if (manifest.fingerprint, manifest.test_fingerprint) != (spec.data, test_data):
        raise DataError(prepared_anew(data_folder, manifest.fingerprint, spec.data))
    test = open_test_data(data_folder)
    images = load_images(test.images, test.labels, None, spec.device)
    preparation = Preparation(spec.recipe, ImageData(images, images, manifest.mean, manifest.std))
    score = evaluate(model, images, preparation, spec.recipe.precision, _signs_of(folder), folder.micro_batches)
    assert result.weights_sha256 is not None
    return TestScore(
        schema="test/1",
        run=header.run,
        test_error_percent=score.error_percent,
        test_loss=score.loss,
        images=len(images),
        test_data=manifest.test_fingerprint,
        weights_sha256=result.weights_sha256,
    )


def _signs_of(folder: RunFolder) -> Callable[[], None]:
    """What a score calls on its way, to say now and then that it is at work."""
    last = [0.0]

    def alive() -> None:
        if time.monotonic() - last[0] >= SIGN_SECONDS:
            last[0] = time.monotonic()
            folder.alive.touch()

    return alive
