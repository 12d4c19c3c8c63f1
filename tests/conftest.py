"""What all tests share: Fashion-MNIST itself, obtained once for all sessions, and prepared once for each."""

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from postgres import server
from processes import begin_to_load

import convstudy
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.data.obtain import fashion_mnist, obtain
from pipeline.data.prepare import prepare
from pipeline.environment import complete_environment
from pipeline.settings import choose_profile
from pipeline.tracking.location import database_file
from pipeline.tracking.store import open_store
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[1]


COSTLY = ("clone", "browser", "first_study", "searched", "server", "reproduced", "postgres")
"""Fixtures of a module that take seconds to make, first those whose tests take longest together."""


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist keep the order of the tests; by default it starts the groups with the most tests first."""
    config.option.loadscopereorder = False
    complete_environment()  # as for each of the project's own programs


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests that share a costly fixture in one worker (`--dist loadgroup`), and start with what takes longest.

    A long group that starts last keeps one worker busy while the others have nothing left. pytest-xdist 3.8 marks the
    groups in a field that pytest 9.2 no longer reads, so an older pytest is installed.
    """
    for item in items:
        shared = costly_fixture(item)
        if shared is not None:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{shared}"))
    items.sort(key=rank)


def costly_fixture(item: pytest.Item) -> str | None:
    """The costly fixture of a test, which names its group."""
    return next((name for name in COSTLY if name in _fixtures(item)), None)


def rank(item: pytest.Item) -> int:
    """When a test starts: costly groups first, then tests that read the data, most of which train, then the others."""
    shared = costly_fixture(item)
    if shared is not None:
        return COSTLY.index(shared)
    return len(COSTLY) + ("prepared_fashion_mnist" not in _fixtures(item))


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))


for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):  # no test writes to a developer's own server
    os.environ.pop(name, None)

settings.register_profile("convstudy", deadline=None)
settings.load_profile("convstudy")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """One thread, as in a worker: results do not depend on the machine's cores, and tests may run side by side."""
    torch.set_num_threads(1)
    begin_to_load()


@pytest.fixture(scope="session")
def raw_fashion_mnist() -> Path:
    """The folder that holds the four .gz files; CONVSTUDY_TEST_CACHE names its parent, else the checkout's data/raw."""
    cache = Path(os.environ.get("CONVSTUDY_TEST_CACHE") or CHECKOUT / "data" / "raw")
    obtain(fashion_mnist(), cache, None, print)
    return cache / "fashion-mnist"


@pytest.fixture(scope="session")
def prepared_fashion_mnist(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the prepared data set. Shared by all tests: to be read, never changed.

    CONVSTUDY_TEST_PREPARED names one that is there, where the .gz files are not.
    """
    if given := os.environ.get("CONVSTUDY_TEST_PREPARED"):
        return Path(given)
    prepared = tmp_path_factory.mktemp("prepared")
    prepare("fashion-mnist", request.getfixturevalue("raw_fashion_mnist").parent, prepared)
    return prepared / "fashion-mnist"


@pytest.fixture
def manifest(prepared_fashion_mnist: Path) -> Manifest:
    """The manifest of the prepared data set."""
    return load_manifest(prepared_fashion_mnist)


@pytest.fixture
def study(prepared_fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace in force (CONVSTUDY_HOME) with Fashion-MNIST prepared and the project's params.yaml.

    But for the samples on which networks are scored as they train, a tenth of the usual ones.
    """
    return make_study(tmp_path / "study", prepared_fashion_mnist, monkeypatch)


@pytest.fixture(scope="session")
def made_first_study(prepared_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with claims, the published evidence, some real pictures, and a study "first" of six networks."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        workspace = make_study(tmp_path_factory.mktemp("first") / "study", prepared_fashion_mnist, monkeypatch)
        shutil.copy(CHECKOUT / "params.yaml", workspace.params_file)  # by another one, published claims are not judged
        choose_profile(workspace.params_file, "quick")
        (workspace.root / "reports").mkdir()
        for name in ("claims.yaml", "published"):
            (workspace.root / "reports" / name).symlink_to(CHECKOUT / "reports" / name)
        convstudy.search(
            "lenet", trials=6, epochs=1, train_images=512, max_macs="1M", study="first", workers=1, quiet=True
        )
    return workspace


@pytest.fixture
def first_study(made_first_study: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The same, in force and as the current folder; tests add to it, and change nothing that is there."""
    monkeypatch.setenv("CONVSTUDY_HOME", str(made_first_study.root))
    monkeypatch.chdir(made_first_study.root)
    return made_first_study


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server, without user info; each test has a database or names of its own in it.

    Not below pytest's own folder, which another run of pytest makes unreadable for the user "postgres".
    """
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "server") as url:
        yield url


@functools.cache
def _empty_mlflow() -> bytes:
    """The database of a fresh MLflow store, whose making takes seconds."""
    with tempfile.TemporaryDirectory() as folder:
        open_store(Path(folder))
        return database_file(Path(folder)).read_bytes()


def make_study(root: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The same at a place of choice, for fixtures of wider scope; MLflow's store is there, and holds no run."""
    workspace = Workspace(root)
    workspace.mlflow.mkdir(parents=True)
    database_file(workspace.mlflow).write_bytes(_empty_mlflow())
    workspace.prepared_data.mkdir(parents=True)
    shutil.copytree(prepared, workspace.prepared_data / "fashion-mnist", copy_function=os.link)
    text = (CHECKOUT / "params.yaml").read_text()
    for usual in ("validation_images: 2000", "train_loss_images: 1000"):
        assert usual in text
        text = text.replace(usual, usual[:-1])
    workspace.params_file.write_text(text)
    choose_profile(workspace.params_file, "quick")  # whatever the checkout's user has chosen
    monkeypatch.setenv("CONVSTUDY_HOME", str(root))
    return workspace
