"""A finished network, opened from its run: the same weights, and all that is needed to use them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pipeline.data.arrays import open_training_data
from pipeline.data.manifest import load_manifest, summary, write_manifest
from pipeline.errors import DataError, StorageError, UsageError
from pipeline.evidence.records import RunSpec
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.models.finished import open_network
from pipeline.models.weights import hash_weights, load_weights, save_weights
from pipeline.running.jobs import Job, run_job
from pipeline.training.images import load_images
from pipeline.training.recipe import Recipe

pytestmark = pytest.mark.xdist_group("finished")


@pytest.fixture(scope="module")
def trained_once(prepared_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    recipe = Recipe(epochs=2, batch_size=32, train_images=2560, validation_images=500, train_loss_images=100)
    recipe = replace(recipe, precision="float32", resolution=28, learning_rate=0.05)
    config = {"widths": [8, 16], "dense_widths": [32, 16], "activation": "relu", "norm": True}
    spec = RunSpec("lenet", config, 1, 10, 28, recipe, load_manifest(prepared_fashion_mnist).fingerprint, seed=1)
    store = RunStore(tmp_path_factory.mktemp("runs"))
    folder = store.register(spec, "lenet", "fashion-mnist")
    run_job(Job(store.root, folder.run, prepared_fashion_mnist, "", keep_weights=True))
    return folder


@pytest.fixture
def trained(trained_once: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy, which the test may change."""
    return RunFolder(Path(shutil.copytree(trained_once.path, tmp_path / trained_once.run)))


def without_metadata(folder: RunFolder) -> None:
    """Leave the weights as earlier versions wrote them."""
    weights, _ = load_weights(folder.weights)
    folder.weights.write_bytes(safetensors.torch.save(weights))


def test_an_opened_network_answers_as_at_the_end_of_its_training(
    trained: RunFolder, prepared_fashion_mnist: Path
) -> None:
    network, result, data = open_network(trained), trained.result(), open_training_data(prepared_fashion_mnist)
    assert result is not None and network.weights_sha256 == result.weights_sha256 and not network.model.training
    pixels, labels = load_images(data.validation.images, data.validation.labels, 500, "cpu").take(slice(None))
    (mean,), (std,) = network.info.mean, network.info.std
    with torch.inference_mode():
        by_hand = network.model((pixels / 255 - mean) / std).argmax(dim=1)
        prepared = network.model(network.preparation.for_evaluation(pixels)).argmax(dim=1)
    one_image = 100 / 500  # by rounding, where two classes are nearly alike
    for answers in (by_hand, prepared):
        error_percent = 100 * float((answers != labels).float().mean())
        assert error_percent == pytest.approx(result.history[-1].validation_error_percent, abs=1.01 * one_image)
    assert error_percent < 50  # it has learnt, so other weights would answer otherwise


def test_a_weights_file_alone_says_how_it_is_used(trained: RunFolder, prepared_fashion_mnist: Path) -> None:
    manifest, header, result = load_manifest(prepared_fashion_mnist), trained.header(), trained.result()
    weights, info = load_weights(trained.weights)
    assert info is not None and header is not None and result is not None
    assert info.spec == header.spec and (info.spec.resolution, info.spec.channels) == (28, 1)
    assert info.data == summary(manifest) and info.data.class_names[0] == "T-shirt/top"
    assert (info.mean, info.std) == (manifest.mean, manifest.std)
    assert hash_weights(weights) == result.weights_sha256
    written = trained.weights.read_bytes()
    save_weights(trained.weights, weights, info)
    assert trained.weights.read_bytes() == written


def test_weights_of_earlier_versions_open_with_the_data_of_their_run_alone(
    trained: RunFolder, prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    now = open_network(trained)
    without_metadata(trained)
    with pytest.raises(DataError, match=r"has no class names and no normalisation: give the run's prepared data"):
        open_network(trained)
    before = open_network(trained, prepared_fashion_mnist)
    assert before.info == now.info and before.class_names == now.class_names and len(now.class_names) == 10
    other = tmp_path / "other"
    other.mkdir()
    write_manifest(other, replace(load_manifest(prepared_fashion_mnist), mean=(0.5,)))
    with pytest.raises(DataError, match=f"was planned for {now.info.spec.data}: plan again, or prepare the former"):
        open_network(trained, other)


def test_what_is_no_finished_network_is_refused(trained: RunFolder, tmp_path: Path) -> None:
    result, header, (weights, info) = trained.result(), trained.header(), load_weights(trained.weights)
    assert result is not None and header is not None and info is not None
    of_another_run = replace(info, spec=replace(info.spec, seed=2))
    other_weights = {name: tensor + 1 for name, tensor in weights.items()}
    for wrong in ((other_weights, info), (weights, of_another_run)):
        save_weights(trained.weights, *wrong)
        with pytest.raises(StorageError, match=r"does not hold the weights of .*result\.json"):
            open_network(trained)
    trained.weights.write_bytes(trained.weights.read_bytes()[:-1])
    with pytest.raises(StorageError, match="is damaged"):
        open_network(trained)
    trained.weights.unlink()
    with pytest.raises(StorageError, match="is gone: run the same `convstudy train lenet` again"):
        open_network(trained)
    trained.write(replace(result, state="failed", reason="diverged", weights_sha256=None))
    with pytest.raises(UsageError, match=f"run {trained.run} is failed: it has no network"):
        open_network(trained)
    (trained.path / "result.json").unlink()
    with pytest.raises(UsageError, match="is not finished"):
        open_network(trained)
    with pytest.raises(UsageError, match="run absent does not exist"):
        open_network(RunFolder(tmp_path / "absent"))
