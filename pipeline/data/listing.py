"""Lists a user's image files, from a folder of class folders or a CSV table, and the faults of their names.

The source is FOLDER/<class>/*.png, or FOLDER/{train,validation,test}/<class>/*.png, or a CSV with the columns path,
label and optionally split, with paths relative to the CSV. Names are untrusted data: all files and links must resolve
inside the folder, and names are printed with `repr`. Files are sorted by name, independently of the file system.
"""

import csv
import errno
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.data.images import EXTENSIONS
from pipeline.data.manifest import SplitName
from pipeline.errors import DataError

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Problem:
    """One fault of the user's data; `skippable` if it is enough to skip the file."""

    path: str
    class_name: str | None
    reason: str
    fix: str
    skippable: bool = True

    def __str__(self) -> str:
        of_class = "" if self.class_name is None else f" (class {self.class_name!r})"
        return f"{self.path!r}{of_class}: {self.reason}; {self.fix}"


@dataclass(frozen=True)
class Item:
    """One image file: its path, the path relative to the source (used in messages), its class and split."""

    path: Path
    relative: str
    class_name: str
    split: SplitName | None


@dataclass
class Listing:
    """The files of a source, its classes by split, problems, and the number of ignored files."""

    items: list[Item] = field(default_factory=list)
    classes: set[tuple[SplitName | None, str]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    ignored: int = 0

    @property
    def class_names(self) -> tuple[str, ...]:
        """All classes, sorted by name."""
        return tuple(sorted({nfc(name) for _, name in self.classes}))


def list_folder(folder: Path) -> Listing:
    """List the images of a folder of class folders, with or without split folders above them."""
    root = folder.resolve()
    listing = Listing()
    top = _folders(root, root, listing)
    if _has_split_folders(top):
        given = [name for name, _ in top if name.casefold() in SPLIT_NAMES]
        if len({SPLIT_NAMES[name.casefold()] for name in given}) < len(given):
            raise DataError(f"{str(folder)!r}: the folders {given} name one split twice; merge or rename them")
        for name, path in top:
            split = SPLIT_NAMES.get(name.casefold())
            if split is None:
                fix = f"remove it, or rename it to one of {', '.join(SPLIT_NAMES)}"
                listing.problems.append(Problem(name, None, "it lies next to the split folders", fix))
                continue
            for class_name, class_folder in _folders(path, root, listing):
                _list_class(class_folder, root, class_name, split, listing)
    else:
        for class_name, class_folder in top:
            _list_class(class_folder, root, class_name, None, listing)
    return _finished(listing)


def list_table(table: Path) -> Listing:
    """List the images that a CSV file names; raises DataError if it is not such a table."""
    root = table.resolve().parent
    listing = Listing()
    seen: set[Path] = set()
    for line, row in _rows(table):
        where, label = f"{table.name}:{line}", (row.get("label") or "").strip()
        name, split = row.get("path") or "", (row.get("split") or "").strip().casefold()
        try:
            if None in row:
                raise _FaultError("it has more cells than the header", "quote the commas inside its names")
            if not label:
                raise _FaultError("its label is empty", "give it one")
            if "split" in row and split not in SPLIT_NAMES:
                raise _FaultError(f"its split is {split!r}", f"write one of {', '.join(SPLIT_NAMES)}")
            path = _regular_file(root / name, root)
            if path in seen:
                raise _FaultError("it is listed twice", "keep one of the lines")
        except _FaultError as fault:
            listing.problems.append(Problem(f"{where}: {name}", label or None, fault.reason, fault.fix))
            continue
        seen.add(path)
        given = SPLIT_NAMES[split] if "split" in row else None
        listing.classes.add((None, label))
        listing.items.append(Item(path, path.relative_to(root).as_posix(), nfc(label), given))
    return _finished(listing)


def nfc(name: str) -> str:
    """A name in Unicode's composed form, since some file systems decompose names."""
    return unicodedata.normalize("NFC", name)


class _FaultError(Exception):
    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def _folders(parent: Path, root: Path, listing: Listing) -> list[tuple[str, Path]]:
    """The folders in `parent`, by name. Images next to them are problems, other files are ignored."""
    found = []
    for path, relative in _entries(parent, root, listing):
        try:
            if _inside(path, root).is_dir():
                found.append((path.name, path))
            elif path.suffix.lower() in EXTENSIONS:
                raise _FaultError("it lies outside every class folder", "move it into one")
            else:
                listing.ignored += 1
        except _FaultError as fault:
            listing.problems.append(Problem(relative, None, fault.reason, fault.fix))
    return found


def _has_split_folders(top: list[tuple[str, Path]]) -> bool:
    """Whether the top folders are splits: one is called train and contains folders."""
    return any(name.casefold() == "train" and any(path.is_dir() for path in folder.iterdir()) for name, folder in top)


def _list_class(folder: Path, root: Path, class_name: str, split: SplitName | None, listing: Listing) -> None:
    listing.classes.add((split, class_name))
    for path, relative in _entries(folder, root, listing):
        try:
            if path.is_dir():
                raise _FaultError("it is a folder inside a class folder", "move its images up")
            if path.suffix.lower() not in EXTENSIONS:
                listing.ignored += 1
                continue
            listing.items.append(Item(_regular_file(path, root), relative, nfc(class_name), split))
        except _FaultError as fault:
            listing.problems.append(Problem(relative, class_name, fault.reason, fault.fix))


def _finished(listing: Listing) -> Listing:
    """Sort the listing by name, and add the problems of class names."""
    listing.items.sort(key=lambda item: (nfc(item.relative), item.relative))
    alike = defaultdict(set)
    for split, name in listing.classes:
        alike[nfc(name).casefold()].add((split, name))
        if name != name.encode(errors="replace").decode():
            listing.problems.append(Problem(name, name, "its name is not valid UTF-8", "rename it", skippable=False))
    for members in alike.values():
        in_one_split = len({split for split, _ in members}) < len(members)
        if in_one_split or len({nfc(name) for _, name in members}) > 1:
            names = sorted({name for _, name in members})
            reason = f"its name differs from {', '.join(map(ascii, names[1:]))} only in case or Unicode form"
            listing.problems.append(Problem(names[0], names[0], reason, "merge or rename them", skippable=False))
    return listing


def _rows(table: Path) -> Iterator[tuple[int, dict[str | None, str | None]]]:
    """The rows of a CSV file as mappings from column to value, each with its line number."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or [])
            if not {"path", "label"} <= set(columns):
                raise DataError(
                    f"{table}: its first line must name the columns path and label; it has {str(columns)[:200]}"
                )
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a CSV file in UTF-8: {error}") from error


def _entries(folder: Path, root: Path, listing: Listing) -> list[tuple[Path, str]]:
    """The entries of a folder except hidden ones, sorted by name, each with its path relative to `root`."""
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        relative = folder.relative_to(root).as_posix()
        listing.problems.append(Problem(relative, None, f"cannot be read: {error.strerror}", "make it readable", False))
        return []
    return [(path, path.relative_to(root).as_posix()) for path in paths if not path.name.startswith(".")]


def _regular_file(path: Path, root: Path) -> Path:
    """The file at `path`, with links resolved."""
    resolved = _inside(path, root)
    if not resolved.is_file():
        raise _FaultError("it is not a regular file", "remove it")
    return resolved


def _inside(path: Path, root: Path) -> Path:
    """Resolve the links of `path`, which must exist and lie inside `root`."""
    try:
        resolved = path.resolve(strict=True)
    except RuntimeError as error:  # Python before 3.13, for a link to itself
        raise _FaultError("it is a link that leads back to itself", "remove it") from error
    except ValueError as error:
        raise _FaultError("it is not a valid path", "correct it") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _FaultError("it is a link that leads back to itself", "remove it") from error
        reason = "it is a link that leads nowhere" if path.is_symlink() else f"it is not there ({error.strerror})"
        raise _FaultError(reason, "restore or remove it") from error
    if not resolved.is_relative_to(root):
        raise _FaultError("it leads out of the folder", "copy the file into the folder")
    return resolved
