"""What all tests share: Fashion-MNIST itself, obtained once for all sessions, and prepared once for each."""

import os
from pathlib import Path

import pytest
import torch

from pipeline.data.obtain import fashion_mnist, obtain
from pipeline.data.prepare import prepare


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """One thread, as in a worker: results do not depend on the machine's cores, and tests may run side by side."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def raw_fashion_mnist() -> Path:
    """The folder that holds the four .gz files; CONVSTUDY_TEST_CACHE names its parent, else the checkout's data/raw."""
    cache = Path(os.environ.get("CONVSTUDY_TEST_CACHE") or Path(__file__).parents[1] / "data" / "raw")
    obtain(fashion_mnist(), cache, None, print)
    return cache / "fashion-mnist"


@pytest.fixture(scope="session")
def prepared_fashion_mnist(raw_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the prepared data set. Shared by all tests: to be read, never changed."""
    prepared = tmp_path_factory.mktemp("prepared")
    prepare("fashion-mnist", raw_fashion_mnist.parent, prepared)
    return prepared / "fashion-mnist"
