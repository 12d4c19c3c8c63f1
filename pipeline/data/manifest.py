"""The manifest of a prepared data set. Every later stage verifies its input against it.

`manifest.json` holds the SHA-256 of each array, and `manifest.sha256` (in the format of `sha256sum -c`) the SHA-256 of
`manifest.json`, so any changed byte is detected. Neither contains a time or a path, so preparing the same images twice
writes the same bytes.
"""

from pathlib import Path
from typing import Literal, Protocol

from pydantic.dataclasses import dataclass

from pipeline.errors import ConvstudyError, DataError
from pipeline.files import canonical_json, read_json, sha256_file, sha256_text, write_json, write_text
from pipeline.schema import STRICT, parse, to_json

SplitName = Literal["train", "validation", "test"]

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
"""Train learns, validation selects, test is read once after selection. Their order is their code in arrays."""

MANIFEST_FILE = "manifest.json"
CHECKSUM_FILE = "manifest.sha256"


@dataclass(frozen=True, config=STRICT)
class SplitFiles:
    """The two files of a split, in the manifest's folder; `class_counts` follow the order of the class names."""

    images_file: str
    images_sha256: str
    labels_file: str
    labels_sha256: str
    count: int
    class_counts: tuple[int, ...]

    def __post_init__(self) -> None:
        for file in (self.images_file, self.labels_file):
            if Path(file).name != file:
                raise ValueError(f"file (={file!r}) must be a plain file name")


class DataShape(Protocol):
    """The properties of a data set that plans need. Both Manifest and DataSummary have them."""

    @property
    def name(self) -> str:
        """The data set's name."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that affects a training."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by label."""

    @property
    def counts(self) -> dict[str, int]:
        """Images of each split."""


@dataclass(frozen=True, config=STRICT)
class Manifest:
    """One prepared data set.

    Attributes:
        source: a named source, "folder NAME" or "table NAME".
        versions: versions of the libraries that affect the arrays.
        image_shape: (C, H, W) of every image.
        mean, std: per channel, of the training split only, scaled to [0, 1]; the std of a constant channel is 1.
        duplicates: for "train-validation", "train-test" and "validation-test", the number of images of the later split
            whose pixels also occur in the earlier one; under "… with another label", those with a different label
            there; under "… nearly alike", those that seem to be another copy of the same picture.
        raw_files: checksum ("md5:…" or "sha256:…") of the uncompressed content of each raw file.
        conversions: kind of change -> number of images that were changed in this way, or skipped, when read.
    """

    schema: Literal["manifest/1"]
    name: str
    source: str
    versions: dict[str, str]
    seed: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    splits: dict[SplitName, SplitFiles]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    duplicates: dict[str, int]
    raw_files: dict[str, str]
    conversions: dict[str, int]

    def __post_init__(self) -> None:
        missing = [split for split in SPLITS if split not in self.splits]
        if missing:
            raise ValueError(f"splits must name all of {', '.join(SPLITS)}; missing: {', '.join(missing)}")

    @property
    def counts(self) -> dict[str, int]:
        """Images of each split."""
        return {split: self.splits[split].count for split in SPLITS}

    @property
    def fingerprint(self) -> str:
        """Hash of everything that affects a training, 20 hexadecimal digits.

        It covers the train and validation arrays, the normalisation and the class names, but neither the test split nor
        names of data sets nor paths.
        """
        train, validation = self.splits["train"], self.splits["validation"]
        arrays = [train.images_sha256, train.labels_sha256, validation.images_sha256, validation.labels_sha256]
        return sha256_text(canonical_json([arrays, self.mean, self.std, self.class_names]))[:20]

    @property
    def test_fingerprint(self) -> str:
        """Hash of the test split's images and labels, 20 hexadecimal digits. Test scores count only for this split."""
        test = self.splits["test"]
        return sha256_text(canonical_json([test.images_sha256, test.labels_sha256]))[:20]


@dataclass(frozen=True, config=STRICT)
class DataSummary:
    """The data set of a record: enough to describe it in a report without opening it."""

    name: str
    source: str
    fingerprint: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    counts: dict[str, int]
    duplicates: dict[str, int]


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest in `folder`; raises DataError if the data set is not prepared or the manifest is damaged."""
    path = folder / MANIFEST_FILE
    if not path.exists():
        from pipeline.data.sources import how_to_prepare  # it imports this module

        raise DataError(f"{folder.name} is not prepared: run `{how_to_prepare(folder.name)}`")
    try:
        recorded = (folder / CHECKSUM_FILE).read_bytes()
        found = _checksum_line(path).encode()
        if recorded != found:
            raise DataError(
                f"{path} is damaged: expected SHA-256 {recorded[:64].decode(errors='replace')}, found "
                f"{found[:64].decode()}; run `convstudy prepare {folder.name}` again"
            )
        return parse(Manifest, read_json(path), str(path))
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}; prepare {folder.name} again") from error
    except ConvstudyError as error:
        raise error if isinstance(error, DataError) else DataError(str(error)) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and its checksum into `folder`."""
    write_json(folder / MANIFEST_FILE, to_json(manifest))
    write_text(folder / CHECKSUM_FILE, _checksum_line(folder / MANIFEST_FILE))


def summary(manifest: Manifest) -> DataSummary:
    """The description of the data set for records."""
    return DataSummary(
        name=manifest.name,
        source=manifest.source,
        fingerprint=manifest.fingerprint,
        image_shape=manifest.image_shape,
        class_names=manifest.class_names,
        counts=manifest.counts,
        duplicates=manifest.duplicates,
    )


def _checksum_line(path: Path) -> str:
    return f"{sha256_file(path)}  {path.name}\n"
