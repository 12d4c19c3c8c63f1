"""A network as MLflow calls it: images as they are stored in, classes with probabilities out."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import search_spaces
from pipeline.data.manifest import DataSummary
from pipeline.errors import StorageError, UsageError
from pipeline.evidence.records import RunSpec
from pipeline.models.finished import build_network
from pipeline.models.mlflow_model import ImageClassifier, model_info
from pipeline.models.weights import WeightsInfo, save_weights
from pipeline.schema import to_json
from pipeline.training.recipe import Recipe

NAMES = ("cat", "dog", "class")
MEAN, STD = (0.1, 0.4, 0.7), (0.2, 0.3, 0.5)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a network for coloured images of 32 pixels, with three classes."""
    config = to_json(search_spaces.reference("resnet-small")[1].config)
    spec = RunSpec("resnet", config, 3, 3, 32, Recipe(epochs=1, precision="float32", resolution=32), "f" * 64, 0)
    data = DataSummary("photos", "here", "f" * 64, (3, 32, 32), NAMES, {"train": 10}, {})
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_weights(path, build_network(spec).state_dict(), WeightsInfo("weights/1", spec, data, MEAN, STD))
    return path


def test_answers_are_those_of_the_network_on_normalised_images(weights: Path) -> None:
    model = ImageClassifier(weights)
    images = np.random.default_rng(1).integers(0, 256, (501, 32, 32, 3), dtype=np.uint8)  # more than one batch
    table = model.predict(images)
    scaled = (torch.from_numpy(images) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)  # (N, H, W, C)
    with torch.inference_mode():
        logits = torch.cat([model.network(part.permute(0, 3, 1, 2)) for part in scaled.split(100)])  # type: ignore[no-untyped-call]
    assert list(table.columns) == ["class", "probability_cat", "probability_dog", "probability_class"]
    np.testing.assert_allclose(table.iloc[:, 1:], logits.softmax(dim=1), atol=1e-5)
    np.testing.assert_allclose(table.iloc[:, 1:].sum(axis=1), 1, atol=1e-6)
    assert list(table["class"]) == [NAMES[row] for row in table.iloc[:, 1:].to_numpy().argmax(axis=1)]


def test_no_images_give_no_rows(weights: Path) -> None:
    assert ImageClassifier(weights).predict(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, 4)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 32, 32, 3), np.float32), ((1, 3, 32, 32), np.uint8), ((32, 32, 3), np.uint8)]
)
def test_images_of_another_shape_or_type_are_refused(weights: Path, shape: tuple[int, ...], dtype: type) -> None:
    with pytest.raises(UsageError, match=r"must be uint8 \(N, H, W, 3\)"):
        ImageClassifier(weights).predict(np.zeros(shape, dtype))


def test_weights_of_earlier_versions_cannot_be_a_model(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
    for use in (model_info, ImageClassifier):
        with pytest.raises(StorageError, match="does not name its classes"):
            use(path)
