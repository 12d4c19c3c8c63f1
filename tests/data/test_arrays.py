"""What a prepared data set promises: whole, verified, read-only, and silent about the test split."""

import gzip
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folders import flip_byte, write_small_digits

from pipeline.data.arrays import open_test_data, open_training_data, verify
from pipeline.data.manifest import SPLITS, SplitName, load_manifest, summary, write_manifest
from pipeline.data.prepare import prepare
from pipeline.errors import ConvstudyError, DataError

FILES = [
    "manifest.json",
    "manifest.sha256",
    *(f"{split}-{kind}.npy" for split in SPLITS for kind in ("images", "labels")),
]


@pytest.fixture
def prepared_digits(tmp_path: Path) -> Path:
    """A small prepared data set that a test may damage."""
    prepare(str(write_small_digits(tmp_path / "digits")), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    return tmp_path / "prepared" / "digits"


def test_a_prepared_data_set_holds_exactly_these_files(prepared_digits: Path) -> None:
    assert sorted(path.name for path in prepared_digits.iterdir()) == sorted(FILES)


def test_fashion_mnist_is_fifty_ten_and_ten_thousand_stratified(prepared_fashion_mnist: Path) -> None:
    data, test = open_training_data(prepared_fashion_mnist), open_test_data(prepared_fashion_mnist)
    for split, count in ((data.train, 50_000), (data.validation, 10_000), (test, 10_000)):
        assert split.images.shape == (count, 1, 28, 28)
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int64
        assert np.bincount(split.labels).tolist() == [count // 10] * 10


def test_fashion_mnists_train_and_validation_are_the_published_training_set(
    prepared_fashion_mnist: Path, raw_fashion_mnist: Path
) -> None:
    with gzip.open(raw_fashion_mnist / "train-images-idx3-ubyte.gz") as file:
        published = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    data = open_training_data(prepared_fashion_mnist)
    found = np.concatenate([data.train.images, data.validation.images]).reshape(-1, 784)
    assert sorted(map(bytes, found)) == sorted(map(bytes, published))


def test_mean_and_std_are_those_of_the_training_images_alone(prepared_fashion_mnist: Path) -> None:
    data = open_training_data(prepared_fashion_mnist)
    pixels = np.asarray(data.train.images, np.float64) / 255
    assert data.manifest.mean == pytest.approx((pixels.mean(),), abs=1e-12)
    assert data.manifest.std == pytest.approx((pixels.std(),), abs=1e-12)


def test_no_image_of_fashion_mnist_occurs_in_two_splits(prepared_fashion_mnist: Path) -> None:
    manifest = load_manifest(prepared_fashion_mnist)
    data, test = open_training_data(prepared_fashion_mnist), open_test_data(prepared_fashion_mnist)
    sets = [set(map(bytes, split.images)) for split in (data.train, data.validation, test)]
    assert [len(sets[0] & sets[1]), len(sets[0] & sets[2]), len(sets[1] & sets[2])] == [0, 0, 0]
    alike = {where.partition(" nearly")[0]: count for where, count in manifest.duplicates.items() if "alike" in where}
    assert set(alike) == {"train-validation", "train-test", "validation-test"} and max(alike.values()) <= 100
    assert {count for where, count in manifest.duplicates.items() if "alike" not in where} == {0}


def test_arrays_are_mapped_and_cannot_be_written(prepared_fashion_mnist: Path) -> None:
    data = open_training_data(prepared_fashion_mnist)
    assert isinstance(data.train.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.train.images[0] = 0


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte_in_any_file_is_found_and_named(prepared_digits: Path, name: str) -> None:
    path = prepared_digits / name
    size = path.stat().st_size
    positions = np.random.default_rng(0).integers(0, size, 40).tolist()
    for position, mask in [(0, 1), (size - 1, 1), (size // 2, 0x80), *((position, 0x10) for position in positions)]:
        before = path.stat()
        put_back = flip_byte(path, position, mask)
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        with pytest.raises(DataError, match=rf"{name.split('.')[0]}\.\S+ is damaged: expected SHA-256 .*, found "):
            verify(prepared_digits)
        with pytest.raises(DataError):
            open_training_data(prepared_digits) if not name.startswith("test") else open_test_data(prepared_digits)
        put_back()
    verify(prepared_digits)


def test_a_flipped_byte_of_fashion_mnist_stops_training_and_names_both_checksums(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "fashion-mnist"
    shutil.copytree(prepared_fashion_mnist, folder)
    flip_byte(folder / "train-images.npy", 20_000_000)
    expected = load_manifest(folder).splits["train"].images_sha256
    with pytest.raises(DataError, match=rf"train-images\.npy is damaged: expected SHA-256 {expected}, found [0-9a-f]+"):
        open_training_data(folder)


def test_training_data_open_without_the_test_split(prepared_digits: Path) -> None:
    for path in prepared_digits.glob("test-*"):
        path.unlink()
    assert len(open_training_data(prepared_digits).train.labels) == 18
    with pytest.raises(DataError, match=r"cannot read .*test-images\.npy"):
        open_test_data(prepared_digits)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("test-")])
def test_an_absent_file_is_reported_in_one_line(prepared_digits: Path, name: str) -> None:
    (prepared_digits / name).unlink()
    with pytest.raises(DataError) as caught:
        open_training_data(prepared_digits)
    assert "prepare" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_prepared_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^mnist is not prepared: run `convstudy prepare mnist`$") as caught:
        open_training_data(tmp_path / "mnist")
    assert caught.value.exit_code == 3
    with pytest.raises(DataError, match=r"^photos is not prepared: run `convstudy prepare FOLDER --name photos`$"):
        open_training_data(tmp_path / "photos")


def test_a_manifest_of_another_schema_is_a_data_error(prepared_digits: Path) -> None:
    path = prepared_digits / "manifest.json"
    for change in ({"schema": "manifest/9"}, {"sede": 1}, {"mean": "0.5"}):
        changed = {**json.loads(path.read_text()), **change}
        path.write_text(json.dumps(changed))
        line = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  manifest.json\n"
        (prepared_digits / "manifest.sha256").write_text(line)
        with pytest.raises(DataError, match=next(iter(change))):
            load_manifest(prepared_digits)


def test_a_manifest_cannot_lead_out_of_its_folder(prepared_digits: Path) -> None:
    manifest = load_manifest(prepared_digits)
    with pytest.raises(ValueError, match="must be a plain file name"):
        replace(manifest.splits["train"], images_file="../../etc/passwd")


def test_arrays_of_another_shape_than_stated_are_refused(prepared_digits: Path) -> None:
    manifest = load_manifest(prepared_digits)
    write_manifest(prepared_digits, replace(manifest, image_shape=(1, 4, 16)))
    with pytest.raises(DataError, match="do not have the shape"):
        open_training_data(prepared_digits)


def test_a_manifest_written_and_read_is_the_same(prepared_digits: Path) -> None:
    manifest = load_manifest(prepared_digits)
    before = (prepared_digits / "manifest.json").read_bytes()
    write_manifest(prepared_digits, manifest)
    assert load_manifest(prepared_digits) == manifest
    assert (prepared_digits / "manifest.json").read_bytes() == before


def test_the_fingerprint_covers_what_shapes_a_training_and_nothing_else(prepared_digits: Path) -> None:
    manifest = load_manifest(prepared_digits)
    assert len(manifest.fingerprint) == 20

    def with_split(split: SplitName, **changes: Any) -> str:
        files = replace(manifest.splits[split], **changes)
        return replace(manifest, splits={**manifest.splits, split: files}).fingerprint

    shaping = [
        with_split("train", images_sha256="0"),
        with_split("train", labels_sha256="0"),
        with_split("validation", images_sha256="0"),
        with_split("validation", labels_sha256="0"),
        replace(manifest, mean=(0.5,)).fingerprint,
        replace(manifest, std=(0.5,)).fingerprint,
        replace(manifest, class_names=("a", "b", "c")).fingerprint,
    ]
    assert len({manifest.fingerprint, *shaping}) == len(shaping) + 1
    silent = [
        with_split("test", images_sha256="0", labels_sha256="0"),
        replace(manifest, name="x", source="y", seed=9, versions={}, raw_files={}).fingerprint,
        replace(manifest, duplicates={}, conversions={}).fingerprint,
    ]
    assert set(silent) == {manifest.fingerprint}


def test_other_test_images_leave_fingerprint_and_training_data_as_they_are(tmp_path: Path) -> None:
    folders = []
    for number in (0, 1):
        folder = write_small_digits(tmp_path / f"digits{number}" / "train", per_class=20)
        test = write_small_digits(tmp_path / f"digits{number}" / "test", per_class=5 + number)
        if number:
            for image in (test / "0").iterdir():
                shutil.copy(image, test / "1" / f"moved-{image.name}")
        prepare(str(folder.parent), tmp_path, tmp_path / "prepared", tell=lambda _: None)
        folders.append(tmp_path / "prepared" / f"digits{number}")
    one, other = (open_training_data(folder) for folder in folders)
    assert one.manifest.fingerprint == other.manifest.fingerprint
    assert one.manifest.splits["test"] != other.manifest.splits["test"]
    assert (one.train.images == other.train.images).all()
    assert (one.validation.labels == other.validation.labels).all()


def test_the_summary_names_the_data_set(prepared_fashion_mnist: Path) -> None:
    manifest = load_manifest(prepared_fashion_mnist)
    found = summary(manifest)
    assert (found.name, found.source, found.fingerprint) == ("fashion-mnist", "fashion-mnist", manifest.fingerprint)
    assert found.counts == {"train": 50_000, "validation": 10_000, "test": 10_000}
    assert found.image_shape == (1, 28, 28)
    assert found.class_names[0] == "T-shirt/top"


def test_every_failure_of_opening_is_one_of_ours(prepared_digits: Path) -> None:
    (prepared_digits / "train-images.npy").unlink()
    (prepared_digits / "train-images.npy").mkdir()
    with pytest.raises(ConvstudyError):
        open_training_data(prepared_digits)
