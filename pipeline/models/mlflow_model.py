"""A trained network as an MLflow model: a folder with an MLmodel file, and the pyfunc that loads it.

    model = mlflow.pyfunc.load_model("runs:/<run>/model")
    model.predict(images)  # (N, H, W, C) uint8 -> DataFrame: class, and one probability per class

The weights stay safetensors. Their metadata name the architecture, the classes and the normalisation, so that nothing
is unpickled and no further file is needed. The MLmodel file is written here, not by `mlflow.pyfunc.save_model`, which
takes over a second the first time that a driver calls it.
"""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml

import pipeline
from pipeline.errors import StorageError, UsageError
from pipeline.files import write_json, write_text
from pipeline.models.finished import build_network
from pipeline.models.weights import WeightsInfo, load_weights, read_info
from pipeline.training.evaluation import EVALUATION_BATCH, autocast
from pipeline.training.images import Preparation

if TYPE_CHECKING:
    import pandas as pd

WEIGHTS = Path("data", "weights.safetensors")
"""Where the weights lie in the model's folder."""


def model_info(weights: Path) -> WeightsInfo:
    """What a model needs to know of its weights.

    Raises:
        StorageError: the file is damaged, or of an earlier version and without metadata.
    """
    info = read_info(weights)
    if info is None:
        raise StorageError(f"{weights} does not name its classes and normalisation: it cannot be an MLflow model")
    return info


def write_model(
    weights: Path, info: WeightsInfo, folder: Path, model_id: str, run_id: str, mlflow_version: str
) -> None:
    """Write an MLflow model into a new folder. The weights are a hard link where the file system allows it.

    Args:
        weights: a weights file.
        info: what it says of itself.
        folder: is created.
        model_id, run_id: of MLflow.
        mlflow_version: with which the model is to be loaded.
    """
    (folder / WEIGHTS).parent.mkdir(parents=True)
    try:
        os.link(weights, folder / WEIGHTS)
    except OSError:
        shutil.copyfile(weights, folder / WEIGHTS)
    requirements = [f"mlflow=={mlflow_version}", f"convstudy=={pipeline.__version__}"]
    write_text(folder / "requirements.txt", "".join(f"{line}\n" for line in requirements))
    environment = {"python": _python(), "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    write_text(folder / "python_env.yaml", yaml.safe_dump(environment, sort_keys=False))
    example = np.zeros((1, *_image_shape(info)), np.uint8).tolist()
    write_json(folder / "input_example.json", example)
    write_json(folder / "serving_input_example.json", {"inputs": example})
    write_text(folder / "MLmodel", yaml.safe_dump(_mlmodel(info, model_id, run_id, mlflow_version), sort_keys=False))


def _mlmodel(info: WeightsInfo, model_id: str, run_id: str, mlflow_version: str) -> dict[str, Any]:
    images = {"dtype": "uint8", "shape": [-1, *_image_shape(info)]}
    types = {"class": "string", **dict.fromkeys(_columns(info), "double")}
    outputs = [{"type": kind, "name": name, "required": True} for name, kind in types.items()]
    flavor = {
        "loader_module": __name__,
        "data": str(WEIGHTS),
        "code": None,
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": _python(),
        "streamable": False,
    }
    return {
        "artifact_path": "model",
        "flavors": {"python_function": flavor},
        "mlflow_version": mlflow_version,
        "model_id": model_id,
        "model_uuid": model_id,
        "run_id": run_id,
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "serving_input_path": "serving_input_example.json",
            "type": "ndarray",
        },
        "signature": {
            "inputs": json.dumps([{"type": "tensor", "tensor-spec": images}]),
            "outputs": json.dumps(outputs),
            "params": None,
        },
    }


def _python() -> str:
    import platform

    return platform.python_version()


def _image_shape(info: WeightsInfo) -> tuple[int, int, int]:
    channels, height, width = info.data.image_shape
    return height, width, channels


def _columns(info: WeightsInfo) -> list[str]:
    return [f"probability_{name}" for name in info.data.class_names]


def _load_pyfunc(path: str) -> "ImageClassifier":
    """What `mlflow.pyfunc.load_model` calls, with the path of the weights."""
    return ImageClassifier(Path(path))


class ImageClassifier:
    """A trained network with its preprocessing, as MLflow calls it. Runs on CUDA if there is one, else on the CPU."""

    def __init__(self, path: Path) -> None:
        """Open a weights file.

        Raises:
            StorageError: it is damaged, or of an earlier version and without metadata.
        """
        weights, info = load_weights(path)
        if info is None:
            raise StorageError(f"{path} does not name its classes and normalisation")
        self.info, self.device = info, "cuda" if torch.cuda.is_available() else "cpu"
        network = build_network(info.spec)
        network.load_state_dict(weights)
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval()
        self.preparation = Preparation(info.spec.recipe, info.mean, info.std, info.spec.resolution, self.device)

    def predict(self, images: np.ndarray) -> "pd.DataFrame":
        """Classify images.

        Args:
            images: (N, H, W, C) uint8, channels as in the training data.

        Returns:
            One row per image: `class`, and `probability_<name>` for each class.

        Raises:
            UsageError: the images have another shape or type.
        """
        import pandas as pd

        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != self.info.spec.channels:
            raise UsageError(
                f"images (={images.dtype} {images.shape}) must be uint8 (N, H, W, {self.info.spec.channels})"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))  # (N, C, H, W)
        with torch.inference_mode(), autocast(self.device, self.info.spec.recipe.precision):
            logits = [
                self.network(self.preparation.for_evaluation(batch.to(self.device))).float()
                for batch in torch.split(pixels, EVALUATION_BATCH)
            ]
        rows = torch.cat(logits).softmax(dim=1).cpu().numpy() if logits else np.zeros((0, self.info.spec.classes))
        table = pd.DataFrame(rows.astype(np.float64), columns=_columns(self.info))
        names = np.array(self.info.data.class_names, dtype=object)
        table.insert(0, "class", names[rows.argmax(axis=1)] if len(rows) else names[:0])
        return table
