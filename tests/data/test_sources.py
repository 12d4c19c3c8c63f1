"""The named sources, on raw files of their own formats; torchvision's checksums are set to those of the files made."""

import gzip
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from image_folders import digits

from pipeline.data.arrays import open_test_data, open_training_data
from pipeline.data.manifest import load_manifest
from pipeline.data.obtain import FASHION_MNIST_MD5
from pipeline.data.prepare import prepare
from pipeline.data.raw import RawImages, ReadOptions
from pipeline.data.sources import (
    FASHION_MNIST_CLASSES,
    NAMED,
    FolderSource,
    NamedSource,
    TableSource,
    resolve_source,
)
from pipeline.data.splits import carve_missing
from pipeline.errors import DataError, UsageError
from pipeline.settings import DataSettings


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), 1, mtime=0))


@pytest.fixture(params=[("mnist", "MNIST"), ("kmnist", "KMNIST")], ids=lambda pair: pair[0])
def mnist_kind(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """3,000 training and 600 test digits in the four files of MNIST or KMNIST."""
    source, class_name = request.param
    images, labels = digits()
    shuffled = np.random.default_rng(0).permutation(len(labels))[:3600]
    folder = tmp_path / "raw" / source
    folder.mkdir(parents=True)
    for part, index in (("train", shuffled[:3000]), ("t10k", shuffled[3000:])):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images[index])
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels[index].astype(np.uint8))
    resources = [
        (f"{name}.gz", hashlib.md5((folder / f"{name}.gz").read_bytes()).hexdigest()) for name in FASHION_MNIST_MD5
    ]
    monkeypatch.setattr(getattr(torchvision.datasets, class_name), "resources", resources)
    monkeypatch.setattr(getattr(torchvision.datasets, class_name), "mirrors", ["http://127.0.0.1:9/"])
    return str(source)


def write_cifar(folder: Path, dataset: type, label_key: str, classes: int, seed: int) -> np.ndarray:
    """Batches of CIFAR's format with random images; returns all images (N, 3, 32, 32) in the order of the batches."""
    generator = np.random.default_rng(seed)
    batches = folder / dataset.base_folder  # type: ignore[attr-defined]
    batches.mkdir(parents=True)
    images = []
    for file, _ in [*dataset.train_list, *dataset.test_list]:  # type: ignore[attr-defined]
        rows = generator.integers(0, 256, (10 * classes, 3072), dtype=np.uint8)
        entry = {"data": rows, label_key: (np.arange(10 * classes) % classes).tolist()}
        pickled = pickle.dumps(entry, protocol=2).replace(b"\x89\x88\x87", b"K\x00K\x01\x87")  # as old numpy wrote
        (batches / file).write_bytes(pickled)
        images.append(rows.reshape(-1, 3, 32, 32))
    meta = dataset.meta  # type: ignore[attr-defined]
    (batches / meta["filename"]).write_bytes(pickle.dumps({meta["key"]: [f"class {n}" for n in range(classes)]}))
    return np.concatenate(images)


@pytest.fixture(params=[("cifar10", "CIFAR10", "labels", 10), ("cifar100", "CIFAR100", "fine_labels", 100)])
def cifar(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, type, np.ndarray]:
    source, class_name, label_key, classes = request.param
    dataset = getattr(torchvision.datasets, class_name)
    folder = tmp_path / "raw" / source
    images = write_cifar(folder, dataset, label_key, classes, seed=classes)

    def md5(file: str) -> str:
        return hashlib.md5((folder / dataset.base_folder / file).read_bytes()).hexdigest()

    monkeypatch.setattr(dataset, "train_list", [[file, md5(file)] for file, _ in dataset.train_list])
    monkeypatch.setattr(dataset, "test_list", [[file, md5(file)] for file, _ in dataset.test_list])
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": md5(dataset.meta["filename"])})
    monkeypatch.setattr(dataset, "url", "http://127.0.0.1:9/cifar.tar.gz")
    return source, dataset, images


def test_a_source_is_a_published_name_a_folder_or_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos.old").mkdir()
    (tmp_path / "labels.csv").write_text("path,label")
    assert resolve_source("mnist") is NAMED["mnist"]
    assert resolve_source("~/photos.old") == FolderSource(tmp_path / "photos.old")
    assert resolve_source(str(tmp_path / "labels.csv")) == TableSource(tmp_path / "labels.csv")
    assert [resolve_source(f"~/{name}").name for name in ("photos.old", "labels.csv")] == ["photos.old", "labels"]


def test_a_new_published_data_set_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = digits()

    def read(options: ReadOptions) -> RawImages:
        splits = carve_missing(labels, np.zeros(len(labels), np.int8), (1, 2), options.seed)
        names = tuple("0123456789")
        return RawImages("digits", names, (1, 28, 28), lambda index: images[index, None], labels, splits, {}, {})

    with pytest.raises(DataError, match="convstudy prepare FOLDER --name digits"):
        load_manifest(tmp_path / "digits")
    monkeypatch.setitem(NAMED, "digits", NamedSource("digits", read))
    with pytest.raises(DataError, match="run `convstudy prepare digits`"):
        load_manifest(tmp_path / "digits")
    with pytest.raises(ValueError, match=r"name \(=mine\) must be that of the source, digits"):
        DataSettings(source="digits", name="mine")
    manifest = prepare("digits", tmp_path, tmp_path, seed=3, tell=lambda _: None)
    assert load_manifest(tmp_path / "digits") == manifest
    assert sum(manifest.counts.values()) == 5000 and manifest.source == "digits"


def test_fashion_mnists_class_names_are_torchvisions() -> None:
    assert list(FASHION_MNIST_CLASSES) == torchvision.datasets.FashionMNIST.classes


def test_mnist_and_kmnist_are_read_from_their_files(mnist_kind: str, tmp_path: Path) -> None:
    manifest = prepare(mnist_kind, tmp_path / "raw", tmp_path / "prepared", tell=lambda _: None)
    assert {split: files.count for split, files in manifest.splits.items()} == {
        "train": 2500,
        "validation": 500,
        "test": 600,
    }
    assert list(manifest.class_names) == getattr(torchvision.datasets, mnist_kind.upper()).classes
    assert manifest.versions["torchvision"] == torchvision.__version__
    images, labels = digits()
    shuffled = np.random.default_rng(0).permutation(len(labels))[3000:3600]
    test = open_test_data(tmp_path / "prepared" / mnist_kind)
    assert (test.images[:, 0] == images[shuffled]).all()
    assert (test.labels == labels[shuffled]).all()


def test_the_raw_files_md5_of_mnist_is_of_the_uncompressed_content(mnist_kind: str, tmp_path: Path) -> None:
    manifest = prepare(mnist_kind, tmp_path / "raw", tmp_path / "prepared", tell=lambda _: None)
    for name in FASHION_MNIST_MD5:
        content = gzip.decompress((tmp_path / "raw" / mnist_kind / f"{name}.gz").read_bytes())
        assert manifest.raw_files[name] == f"md5:{hashlib.md5(content).hexdigest()}"


def test_a_wrong_raw_file_of_mnist_is_refused_by_name(mnist_kind: str, tmp_path: Path) -> None:
    path = tmp_path / "raw" / mnist_kind / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz has a wrong checksum: expected MD5 of the file"):
        prepare(mnist_kind, tmp_path / "raw", tmp_path / "prepared", tell=lambda _: None)
    assert path.exists()
    assert not (tmp_path / "prepared" / mnist_kind).exists()


def test_cifar_is_read_in_colour_and_in_order(cifar: tuple[str, type, np.ndarray], tmp_path: Path) -> None:
    source, dataset, images = cifar
    manifest = prepare(source, tmp_path / "raw", tmp_path / "prepared", tell=lambda _: None)
    classes = len(manifest.class_names)
    training = len(dataset.train_list) * 10 * classes  # type: ignore[attr-defined]
    assert manifest.image_shape == (3, 32, 32)
    assert manifest.class_names[-1] == f"class {classes - 1}"
    data, test = open_training_data(tmp_path / "prepared" / source), open_test_data(tmp_path / "prepared" / source)
    assert (test.images == images[training:]).all()
    assert len(data.validation.labels) == training // 6
    found = np.concatenate([data.train.images, data.validation.images])
    assert sorted(map(bytes, found)) == sorted(map(bytes, images[:training]))
    counts = np.bincount(data.validation.labels)
    assert counts.max() - counts.min() <= 1


def test_a_wrong_batch_of_cifar_is_refused(cifar: tuple[str, type, np.ndarray], tmp_path: Path) -> None:
    source, dataset, _ = cifar
    batch = tmp_path / "raw" / source / dataset.base_folder / dataset.test_list[0][0]  # type: ignore[attr-defined]
    batch.write_bytes(batch.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"not whole in .*its download failed .*Put cifar-10.*tar\.gz \(MD5 "):
        prepare(source, tmp_path / "raw", tmp_path / "prepared", tell=lambda _: None)


def test_cifars_archive_is_unpacked_and_a_wrong_one_is_set_aside(
    cifar: tuple[str, type, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, dataset, _ = cifar
    folder = tmp_path / "raw" / source
    archive = folder / dataset.filename  # type: ignore[attr-defined]
    batches = folder / dataset.base_folder  # type: ignore[attr-defined]
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(batches, batches.name)
    monkeypatch.setattr(dataset, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    (batches / dataset.test_list[0][0]).unlink()  # type: ignore[attr-defined]
    prepare(source, tmp_path / "raw", tmp_path / "prepared", tell=lambda _: None)

    (batches / dataset.test_list[0][0]).unlink()  # type: ignore[attr-defined]
    archive.write_bytes(archive.read_bytes()[:-9])
    lines: list[str] = []
    with pytest.raises(DataError, match="download failed"):
        prepare(source, tmp_path / "raw", tmp_path / "prepared", tell=lines.append)
    assert "was wrong and is now" in lines[0]
    assert [path.name.startswith(f"{archive.name}.wrong-") for path in folder.glob("*.wrong-*")] == [True]
    assert (tmp_path / "prepared" / source / "manifest.json").exists(), "the earlier preparation must stay"


@pytest.mark.parametrize("source", ["cifar10", "cifar100", "kmnist", "mnist"])
def test_without_files_or_network_the_error_says_where_to_put_which_files(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = getattr(torchvision.datasets, source.upper())
    monkeypatch.setattr(dataset, "mirrors", ["http://127.0.0.1:9/"], raising=False)
    monkeypatch.setattr(dataset, "url", "http://127.0.0.1:9/x", raising=False)
    with pytest.raises(DataError) as caught:
        prepare(source, tmp_path / "raw", tmp_path / "prepared", tell=lambda _: None)
    assert str(tmp_path / "raw" / source) in str(caught.value)
    assert ".gz" in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_a_raw_folder_is_only_for_sources_that_look_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--from is for the files of fashion-mnist, mnist, kmnist, not for 'cifar10'"):
        prepare("cifar10", tmp_path / "raw", tmp_path / "prepared", given_folder=tmp_path)


def test_a_named_source_is_resized_when_asked(mnist_kind: str, tmp_path: Path) -> None:
    manifest = prepare(mnist_kind, tmp_path / "raw", tmp_path / "prepared", image_size=14, tell=lambda _: None)
    assert manifest.image_shape == (1, 14, 14)
    assert manifest.conversions == {"resized": 3600}
    images, labels = digits()
    shuffled = np.random.default_rng(0).permutation(len(labels))[3000:3600]
    test = open_test_data(tmp_path / "prepared" / mnist_kind)
    pooled = images[shuffled].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    assert test.images.shape == (600, 1, 14, 14)
    assert np.corrcoef(pooled.ravel(), test.images.ravel())[0, 1] > 0.97
