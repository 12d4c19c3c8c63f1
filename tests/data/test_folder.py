"""A user's own folder of images: its splits, groups and duplicates, what its images become, and names of any kind."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from image_folders import digits, prepare_folder, small_digits, split_counts, write_class, write_small_digits
from PIL import Image

from pipeline.data.arrays import Split, open_test_data, open_training_data


def splits_of(tmp_path: Path, name: str) -> dict[str, Split]:
    folder = tmp_path / "prepared" / name
    data = open_training_data(folder)
    return {"train": data.train, "validation": data.validation, "test": open_test_data(folder)}


def test_digits_without_split_folders_are_split_seventy_fifteen_fifteen(tmp_path: Path) -> None:
    images, labels = digits()
    for label in range(10):
        write_class(tmp_path / "digits" / str(label), images[labels == label][:100])
    manifest = prepare_folder(tmp_path / "digits", tmp_path)
    assert split_counts(manifest) == {"train": (70,) * 10, "validation": (15,) * 10, "test": (15,) * 10}
    assert manifest.image_shape == (1, 28, 28)
    assert manifest.class_names == tuple("0123456789")
    assert manifest.source == "folder digits"
    splits = splits_of(tmp_path, "digits")
    found = {
        bytes(image): int(label)
        for split in splits.values()
        for image, label in zip(split.images, split.labels, strict=True)
    }
    expected = {bytes(image): label for label in range(10) for image in images[labels == label][:100]}
    assert found == expected, "every image must arrive once, unchanged, under its label"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"train": 20}, {"train": (14,) * 3, "validation": (3,) * 3, "test": (3,) * 3}),
        ({"train": 20, "test": 4}, {"train": (17,) * 3, "validation": (3,) * 3, "test": (4,) * 3}),
        ({"train": 20, "val": 4}, {"train": (17,) * 3, "validation": (4,) * 3, "test": (3,) * 3}),
        ({"Train": 20, "valid": 4, "TEST": 5}, {"train": (20,) * 3, "validation": (4,) * 3, "test": (5,) * 3}),
        ({"train": 9, "validation": 2, "test": 2}, {"train": (9,) * 3, "validation": (2,) * 3, "test": (2,) * 3}),
    ],
)
def test_split_folders_are_kept_and_missing_ones_carved_from_train(
    tmp_path: Path, given: dict[str, int], expected: dict[str, tuple[int, ...]]
) -> None:
    for split, per_class in given.items():
        write_small_digits(tmp_path / "digits" / split, per_class)
    assert split_counts(prepare_folder(tmp_path / "digits", tmp_path)) == expected


def test_classes_may_bear_the_names_of_splits(tmp_path: Path) -> None:
    images = small_digits()[0]
    for name in ("train", "bus", "test"):
        write_class(tmp_path / "vehicles" / name, images[:10])
    assert prepare_folder(tmp_path / "vehicles", tmp_path).class_names == ("bus", "test", "train")


def test_one_class_in_two_unicode_forms_in_two_splits_is_one_class(tmp_path: Path) -> None:
    images = small_digits()[0]
    for split, name in (("train", "caf\u00e9"), ("test", "cafe\u0301")):
        for class_name in (name, "dog"):
            write_class(tmp_path / "x" / split / class_name, images[:8])
    assert prepare_folder(tmp_path / "x", tmp_path).class_names == ("caf\u00e9", "dog")


def test_the_seed_decides_the_split_and_nothing_else_does(tmp_path: Path) -> None:
    folder = write_small_digits(tmp_path / "digits", 20)
    one, again, other = (prepare_folder(folder, tmp_path, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one.fingerprint != other.fingerprint
    assert split_counts(one) == split_counts(other)
    assert one.raw_files == other.raw_files


def test_images_of_one_group_stay_in_one_split(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    patient_of: dict[bytes, int] = {}
    for name in ("healthy", "ill"):
        folder = tmp_path / "scans" / name
        folder.mkdir(parents=True)
        for number in range(200):
            image = generator.integers(0, 256, (8, 8), dtype=np.uint8)
            patient = int(generator.integers(0, 40))
            patient_of[image.tobytes()] = patient
            Image.fromarray(image).save(folder / f"patient{patient:02}-{number}.png")
    manifest = prepare_folder(tmp_path / "scans", tmp_path, group_by=r"patient(\d+)")
    patients = [
        {patient_of[image.tobytes()] for image in split.images} for split in splits_of(tmp_path, "scans").values()
    ]
    assert all(len(group) > 2 for group in patients)
    assert not (patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2])
    for split, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        for count in split_counts(manifest)[split]:
            assert abs(count / 200 - share) < 0.07
    ungrouped = prepare_folder(tmp_path / "scans", tmp_path)
    assert ungrouped.fingerprint != manifest.fingerprint


def test_exact_duplicates_across_splits_are_counted_and_kept(tmp_path: Path) -> None:
    images, labels = small_digits()
    root = tmp_path / "digits"
    taken = {label: images[labels == label] for label in (0, 1)}
    for label, own in taken.items():
        write_class(root / "train" / str(label), own[:20])
        write_class(root / "validation" / str(label), own[20:30])
        write_class(root / "test" / str(label), own[30:40])
    for number in range(3):  # of the same label, one of them twice, from train into test
        write_class(root / "test" / "0" / "..", [])
        Image.fromarray(taken[0][number]).save(root / "test" / "0" / f"copy{number}.png")
    Image.fromarray(taken[0][0]).save(root / "test" / "0" / "again.png")
    Image.fromarray(taken[0][5]).save(root / "test" / "1" / "other-label.bmp")
    Image.fromarray(taken[1][7]).save(root / "validation" / "1" / "copy.tif")
    Image.fromarray(taken[1][21]).save(root / "test" / "1" / "of-validation.png")
    Image.fromarray(taken[1][3]).save(root / "train" / "1" / "within-train.png")
    manifest = prepare_folder(root, tmp_path)
    exact = {where: count for where, count in manifest.duplicates.items() if "alike" not in where}
    assert exact == {
        "train-validation": 1,
        "train-validation with another label": 0,
        "train-test": 5,
        "train-test with another label": 1,
        "validation-test": 1,
        "validation-test with another label": 0,
    }
    assert manifest.splits["test"].count == 26


def test_pictures_stored_again_or_resized_are_found_across_splits(
    prepared_fashion_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = open_training_data(prepared_fashion_mnist).train.images[:1600, 0]
    root = tmp_path / "clothes"
    for label in range(2):
        own = [Image.fromarray(image) for image in images[800 * label : 800 * (label + 1)]]
        for split, first, last in (("train", 0, 500), ("validation", 500, 550), ("test", 550, 800)):
            (root / split / str(label)).mkdir(parents=True)
            for number in range(first, last):
                own[number].save(root / split / str(label) / f"{number}.png")
        for number in range(100):
            own[number].save(root / "test" / str(label) / f"again {number}.jpg", quality=75 + 20 * (number % 2))
            larger = own[number + 100].resize((48, 48), Image.Resampling.BILINEAR)
            larger.save(root / "test" / str(label) / f"larger {number}.jpg", quality=95)
    manifest = prepare_folder(root, tmp_path, image_size=28, tell=print)
    found = manifest.duplicates["train-test nearly alike"]
    assert 0.95 * 400 <= found <= 400 + 0.01 * 500, found  # of 500 others at most 1 % seem so
    assert manifest.duplicates["train-test"] == 0
    said = capsys.readouterr().out
    assert f"train-test nearly alike: {found}" in said and "--group-by" in said


def test_the_same_pixels_in_another_file_are_an_exact_duplicate(tmp_path: Path) -> None:
    images, labels = small_digits()
    for label in (0, 1):
        write_class(tmp_path / "x" / "train" / str(label), images[labels == label][:10], ".png")
        write_class(tmp_path / "x" / "test" / str(label), images[labels == label][:10], ".bmp")
    manifest = prepare_folder(tmp_path / "x", tmp_path)
    assert manifest.duplicates["train-test"] + manifest.duplicates["validation-test"] == 20


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(40, 40)], 40), ([(64, 64)], 64), ([(65, 65)], 32), ([(40, 30)], 32), ([(40, 40), (20, 20)], 32)],
)
def test_images_keep_their_size_if_equal_square_and_small(
    tmp_path: Path, sizes: list[tuple[int, int]], expected: int
) -> None:
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        write_class(
            tmp_path / "x" / name, [generator.integers(0, 256, sizes[i % len(sizes)], np.uint8) for i in range(8)]
        )
    assert prepare_folder(tmp_path / "x", tmp_path).image_shape == (1, expected, expected)
    assert prepare_folder(tmp_path / "x", tmp_path, image_size=24).image_shape == (1, 24, 24)


def test_one_colour_image_makes_the_set_colour_and_conversions_are_counted(tmp_path: Path) -> None:
    folder = write_small_digits(tmp_path / "x", 10)
    generator = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    colour = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    colour.save(folder / "0" / "colour.jpg", exif=exif)
    colour.convert("RGBA").save(folder / "1" / "alpha.png")
    colour.convert("CMYK").save(folder / "1" / "cmyk.jpg")
    colour.quantize(4).save(folder / "2" / "palette.gif")
    Image.fromarray(generator.integers(0, 65536, (8, 8), dtype=np.uint16)).save(folder / "2" / "deep.png")
    (folder / "2" / "notes.txt").write_text("not an image")
    (folder / "README.md").write_text("nor this")
    (folder / ".DS_Store").write_text("hidden")
    manifest = prepare_folder(folder, tmp_path)
    assert manifest.image_shape == (3, 8, 8)
    assert manifest.conversions == {
        "16-bit scaled to 8": 1,
        "CMYK to RGB": 1,
        "EXIF orientation applied": 1,
        "alpha composited on white": 1,
        "gray to RGB": 31,
        "other files ignored": 2,
        "palette expanded": 1,
    }


HOSTILE_NAMES = (
    "<script>alert(1)",
    "name with spaces",
    "line\nbreak",
    '"; touch X; "',
    "$(touch X)",
    "{{7*7}}",
    "=cmd()",
    "-rf",
    "\u202egnp.exe",
    "ü\u0308ber",
    "日本",
    "\x1b[31mred",
    "a" * 200,
)


def test_hostile_class_and_file_names_are_data_and_nothing_else(tmp_path: Path) -> None:
    images = small_digits()[0]
    for name in HOSTILE_NAMES:
        write_class(tmp_path / "x" / name, images[:6])
        (tmp_path / "x" / name / "00000.png").rename(tmp_path / "x" / name / f"{name[:100]}.png")
    (tmp_path / "x" / "日本" / "00001.png").rename(tmp_path / "x" / "日本" / os.fsdecode(b"\xff\xfe.png"))
    lines: list[str] = []
    manifest = prepare_folder(tmp_path / "x", tmp_path, tell=lines.append)
    assert set(manifest.class_names) == {unicodedata.normalize("NFC", name) for name in HOSTILE_NAMES}
    assert split_counts(manifest) == {split: (2,) * len(HOSTILE_NAMES) for split in ("train", "validation", "test")}
    assert splits_of(tmp_path, "x")["train"].images.shape == (2 * len(HOSTILE_NAMES), 1, 8, 8)
    assert not any("\n" in line for line in lines)


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    folder = write_small_digits(tmp_path / "x", 10)
    (folder / "0" / "link.png").symlink_to(Path("..") / "1" / "00000.png")
    assert sum(files.class_counts[0] for files in prepare_folder(folder, tmp_path).splits.values()) == 11


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_small_digits(tmp_path / "real", 10)
    (tmp_path / "x").symlink_to(tmp_path / "real")
    assert prepare_folder(tmp_path / "x", tmp_path).name == "real"
