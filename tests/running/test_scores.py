"""Scores of a finished run: on the data it was planned for, and on no others."""

from pathlib import Path

import pytest
import safetensors.torch

from pipeline.data.manifest import load_manifest
from pipeline.errors import DataError
from pipeline.evidence.records import Result, RunSpec, TestScore
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.models.finished import build_network
from pipeline.models.weights import hash_weights
from pipeline.running.scores import score_test
from pipeline.training.recipe import Recipe

CONFIG = {"widths": [4, 8], "dense_widths": [16, 16]}


def untrained(store: RunStore, data: str) -> RunFolder:
    """A run that is recorded as finished, with the weights its network begins with."""
    spec = RunSpec("lenet", CONFIG, 1, 10, 28, Recipe(epochs=1), data, seed=1)
    folder = store.register(spec, "lenet", "fashion-mnist")
    weights = build_network(spec).state_dict()
    safetensors.torch.save_file(weights, folder.weights)
    folder.write(Result("result/1", folder.run, "complete", None, (), hash_weights(weights)))
    return folder


def test_a_run_is_tested_on_the_split_of_its_data_alone(prepared_fashion_mnist: Path, tmp_path: Path) -> None:
    manifest = load_manifest(prepared_fashion_mnist)
    run = untrained(RunStore(tmp_path), manifest.fingerprint)
    score = score_test(run, prepared_fashion_mnist, manifest.test_fingerprint)
    assert isinstance(score, TestScore) and score.images == 10_000 and 80 < score.test_error_percent < 100
    assert run.alive.exists()  # it gave signs of life
    for data, test_data in ((manifest.fingerprint, "another"), ("another", manifest.test_fingerprint)):
        with pytest.raises(DataError, match="plan again, or prepare the former data"):
            score_test(untrained(RunStore(tmp_path / test_data), data), prepared_fashion_mnist, test_data)


def test_scores_of_other_weights_are_forgotten(tmp_path: Path) -> None:
    folder = untrained(RunStore(tmp_path), "data")
    folder.write(TestScore("test/1", folder.run, 12.0, 0.3, 10, "split", "weights"))
    assert folder.test_score() is not None
    folder.forget_scores()
    assert folder.test_score() is None and folder.probes() == {}
