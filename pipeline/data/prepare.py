"""Prepares a data set: converts the images of a source to verified, memory-mapped arrays and a manifest.

Files are written to a temporary folder and renamed into place under a lock, so a prepared data set is complete or
absent. Preparing the same images again writes the same bytes.
"""

import re
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.data.manifest import SPLITS, Manifest
from pipeline.data.near import NEARLY_ALIKE
from pipeline.data.obtain import Tell
from pipeline.data.raw import ReadOptions
from pipeline.data.sources import NAMED, DataSource, NamedSource, resolve_source
from pipeline.data.writing import write_arrays
from pipeline.errors import StorageError, UsageError
from pipeline.files import fsync_folder
from pipeline.process import locked

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
        source: the name of a published data set, a folder of class folders, or a CSV table.
        raw_folder: folder where files of named sources are searched and kept.
        prepared_folder: folder for prepared data sets.
        name: name of the data set; None: that of the source.
        image_size: side in pixels; None: that of a named source, or as `ReadOptions` says.
        seed: seed of the split into train, validation and, for a user's own images, test.
        skip_bad, group_by: for a user's own images, see `ReadOptions`; `group_by` is a regular expression.
        given_folder: another folder where a named source's files are searched.
        tell: receives one line per step.

    Raises:
        UsageError: for an unknown source, a bad name, size, seed or pattern.
        DataError: images cannot be obtained or used; it lists all faults and says what to do.
        StorageError: a file or folder cannot be written.
    """
    resolved = resolve_source(source)
    data_name = data_set_name(resolved, name)
    if seed < 0:
        raise UsageError(f"seed (={seed}) must be at least 0")
    if image_size is not None and not 1 <= image_size <= LARGEST_SIDE:
        raise UsageError(f"image_size (={image_size}) must be between 1 and {LARGEST_SIDE}")
    named = resolved if isinstance(resolved, NamedSource) else None
    if named and (skip_bad or group_by is not None):
        raise UsageError(f"--skip-bad and --group-by are for images of your own, not for {source}")
    if given_folder is not None and not (named and named.may_be_given):
        known = ", ".join(each.name for each in NAMED.values() if each.may_be_given)
        raise UsageError(f"--from is for the files of {known}, not for {source!r}")
    pattern = _pattern(group_by)
    target, lock = prepared_folder / data_name, prepared_folder / f".{data_name}.lock"
    wait = f"{data_name} is being prepared by another process: waiting for it"
    try:
        with locked(lock, before_waiting=lambda: tell(wait)), _whole_or_absent(target) as temporary:
            scratch = temporary / "scratch"
            options = ReadOptions(raw_folder, given_folder, image_size, seed, skip_bad, pattern, scratch, tell)
            manifest = write_arrays(resolved.read(options), temporary, data_name, image_size, seed)
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{error.filename or target}: {error.strerror or error}") from error
    _tell_result(manifest, named is None, target, tell)
    return manifest


def data_set_name(source: DataSource, name: str | None = None) -> str:
    """The name of the prepared data set: `name`, or one made from the source's name.

    Raises UsageError if the name is unusable or belongs to another named source.
    """
    if name is not None:
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is None:
            raise UsageError(f"name (={name!r}) must be up to 64 letters, digits, '.', '_' or '-' (not first)")
        chosen = name
    else:
        plain = unicodedata.normalize("NFKD", source.name).encode("ascii", "ignore").decode()
        chosen = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:64]
        if not chosen:
            raise UsageError(f"no name can be made from {source.name!r}: give one with --name")
    if NAMED.get(chosen, source) != source:
        raise UsageError(f"name (={chosen!r}) belongs to a named source: give another with --name")
    return chosen


def _pattern(group_by: str | None) -> re.Pattern[str] | None:
    """The compiled pattern; raises UsageError unless it is a regular expression with a capture group."""
    try:
        pattern = None if group_by is None else re.compile(group_by)
    except re.error as error:
        raise UsageError(f"group_by (={group_by!r}) is not a regular expression: {error}") from error
    if pattern is not None and pattern.groups == 0:
        raise UsageError(f"group_by (={group_by!r}) must have a capture group, the part in parentheses")
    return pattern


@contextmanager
def _whole_or_absent(target: Path) -> Iterator[Path]:
    """An empty folder that replaces `target` on success. On failure `target` stays as it was."""
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
    """Remove the remains of an attempt, even a killed one. Restore the old data set if there is no new one."""
    shutil.rmtree(temporary, ignore_errors=True)
    if replaced.exists() and not target.exists():
        replaced.replace(target)
    shutil.rmtree(replaced, ignore_errors=True)


def _tell_result(manifest: Manifest, is_own: bool, target: Path, tell: Tell) -> None:
    counts = ", ".join(f"{manifest.splits[split].count:,} {split}" for split in SPLITS)
    channels, height, width = manifest.image_shape
    tell(f"{manifest.name}: {counts} images of {channels} x {height} x {width} in {target}")
    for what, count in manifest.duplicates.items():
        if count:
            tell(f"  {what if what.endswith(NEARLY_ALIKE) else f'exact duplicates, {what}'}: {count:,}")
    alike = any(count for what, count in manifest.duplicates.items() if what.endswith(NEARLY_ALIKE))
    if alike and is_own:
        tell("  keep pictures of one object in one split: see --group-by")
    for what, count in manifest.conversions.items():
        if count:
            tell(f"  {what}: {count:,}")
