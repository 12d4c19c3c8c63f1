"""Preparing a data set: images of a source become verified, memory-mapped arrays and a manifest, once.

Everything is written into a temporary folder beside the final one and renamed into place, under a lock: a prepared
data set is whole or absent, and preparing the same images again writes the same bytes.
"""

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.data.folder import FolderOptions, read_listed
from pipeline.data.listing import list_folder, list_table
from pipeline.data.manifest import SPLITS, Manifest
from pipeline.data.near import NEARLY_ALIKE
from pipeline.data.obtain import Tell
from pipeline.data.sources import IDX_SOURCES, NAMED, Request
from pipeline.data.writing import write_arrays
from pipeline.errors import StorageError, UsageError, unknown_name
from pipeline.files import fsync_folder

LARGEST_SIDE = 512


def prepare(
    source: str,
    raw_folder: Path,
    prepared_folder: Path,
    *,
    name: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    group_by: str | None = None,
    given_folder: Path | None = None,
    tell: Tell = print,
) -> Manifest:
    """Prepare a data set into `prepared_folder / data_set_name(source, name)`, replacing what was there.

    Args:
        source: one of `NAMED`, a folder of class folders, or a CSV table.
        raw_folder: where files of named sources are looked for and kept.
        image_size: side in pixels; None: that of a named source, or as `FolderOptions` says.
        seed: of the split into train, validation and, for a user's own images, test.
        skip_bad, group_by: for a user's own images, see `FolderOptions`; `group_by` is a regular expression.
        given_folder: a folder in which a named source's files are looked for too.
        tell: receives one line per step.

    Raises:
        UsageError: for an unknown source, a bad name, size, seed or pattern.
        DataError: when images cannot be had or used; it lists everything and says what to do.
        StorageError: when the disk refuses.
    """
    data_name = data_set_name(source, name)
    options = _options(source, image_size, seed, skip_bad, group_by, given_folder)
    target = prepared_folder / data_name
    try:
        with _locked(prepared_folder, data_name, tell), _whole_or_absent(target) as temporary:
            scratch = temporary / "scratch"
            if source in NAMED:
                raw = NAMED[source](Request(raw_folder, given_folder, seed, tell))
            elif Path(source).is_dir():
                raw = read_listed(f"folder {_name_of(source)}", list_folder(Path(source)), options, scratch, tell)
            else:
                raw = read_listed(f"table {_name_of(source)}", list_table(Path(source)), options, scratch, tell)
            manifest = write_arrays(raw, temporary, data_name, image_size, seed)
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{error.filename or target}: {error.strerror or error}") from error
    _tell_result(manifest, target, tell)
    return manifest


def data_set_name(source: str, name: str | None = None) -> str:
    """The name under which `source` is prepared: `name`, the source's own, or one made from its folder's or file's.

    Raises UsageError when the source does not exist, or its name is unusable or taken by a named source.
    """
    if source not in NAMED and not _is_folder_or_file(source):
        if Path(source).name == source:
            raise unknown_name("data source", source, NAMED)
        raise UsageError(f"there is no folder or CSV file {source!r}")
    if name is not None:
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is None:
            raise UsageError(f"name (={name!r}) must be up to 64 letters, digits, '.', '_' or '-' (not first)")
        chosen = name
    elif source in NAMED:
        return source
    else:
        plain = unicodedata.normalize("NFKD", _name_of(source)).encode("ascii", "ignore").decode()
        chosen = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:64]
        if not chosen:
            raise UsageError(f"no name can be made from {source!r}: give one with --name")
    if chosen in NAMED and chosen != source:
        raise UsageError(f"name (={chosen!r}) is that of a source of its own: give another with --name")
    return chosen


def _is_folder_or_file(source: str) -> bool:
    return os.path.isdir(source) or os.path.isfile(source)  # noqa: PTH112, PTH113  Path's raise on an overlong name


def _name_of(source: str) -> str:
    """The last part of a folder's path, or a file's name without its ending; undecodable bytes replaced."""
    path = Path(source).resolve()
    return os.fsencode(path.name if path.is_dir() else path.stem).decode(errors="replace")


def _options(
    source: str, image_size: int | None, seed: int, skip_bad: bool, group_by: str | None, given_folder: Path | None
) -> FolderOptions:
    if seed < 0:
        raise UsageError(f"seed (={seed}) must be at least 0")
    if image_size is not None and not 1 <= image_size <= LARGEST_SIDE:
        raise UsageError(f"image_size (={image_size}) must be between 1 and {LARGEST_SIDE}")
    if source in NAMED and (skip_bad or group_by is not None):
        raise UsageError(f"--skip-bad and --group-by are for images of your own, not for {source}")
    if source not in IDX_SOURCES and given_folder is not None:
        raise UsageError(f"--from is for the files of {', '.join(IDX_SOURCES)}, not for {source!r}")
    try:
        pattern = None if group_by is None else re.compile(group_by)
    except re.error as error:
        raise UsageError(f"group_by (={group_by!r}) is no regular expression: {error}") from error
    if pattern is not None and pattern.groups == 0:
        raise UsageError(f"group_by (={group_by!r}) must have a capture group, the part in parentheses")
    return FolderOptions(image_size, seed, skip_bad, pattern)


@contextmanager
def _locked(prepared_folder: Path, data_name: str, tell: Tell) -> Iterator[None]:
    """One process at a time prepares a data set; the lock dies with its process."""
    prepared_folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(prepared_folder / f".{data_name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(f"{data_name} is being prepared by another process: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _whole_or_absent(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` that takes its place if all goes well; if not, what was there stays."""
    temporary, replaced = (target.with_name(f".{target.name}.{state}") for state in ("tmp", "replaced"))
    _undo(target, temporary, replaced)
    temporary.mkdir()
    try:
        yield temporary
        fsync_folder(temporary)
        if target.exists():
            target.replace(replaced)
        temporary.replace(target)
        fsync_folder(target.parent)
    finally:
        _undo(target, temporary, replaced)


def _undo(target: Path, temporary: Path, replaced: Path) -> None:
    """Remove what an attempt left, now or when it was killed; put the old data set back if no new one came."""
    shutil.rmtree(temporary, ignore_errors=True)
    if replaced.exists() and not target.exists():
        replaced.replace(target)
    shutil.rmtree(replaced, ignore_errors=True)


def _tell_result(manifest: Manifest, target: Path, tell: Tell) -> None:
    counts = ", ".join(f"{manifest.splits[split].count:,} {split}" for split in SPLITS)
    channels, height, width = manifest.image_shape
    tell(f"{manifest.name}: {counts} images of {channels} x {height} x {width} in {target}")
    for what, count in manifest.duplicates.items():
        if count:
            tell(f"  {what if what.endswith(NEARLY_ALIKE) else f'exact duplicates, {what}'}: {count:,}")
    alike = any(count for what, count in manifest.duplicates.items() if what.endswith(NEARLY_ALIKE))
    if alike and manifest.source not in NAMED:
        tell("  pictures of one thing belong into one split: say with --group-by which do")
    for what, count in manifest.conversions.items():
        if count:
            tell(f"  {what}: {count:,}")
