"""Errors that a user can cause or fix, each with a one-line message and an exit code.

Exit codes: 0 done; 2 the user asked for something impossible; 3 data unusable; 4 storage or disk;
5 some runs failed (the rest is complete); 130 / 143 interrupted, resumable.
"""

import difflib
from collections.abc import Iterable


class ConvstudyError(Exception):
    """A failure reported in one line. `--debug` adds the traceback."""

    exit_code = 1


class UsageError(ConvstudyError):
    """The user asked for something impossible: an unknown name, a bad limit, a bad Config."""

    exit_code = 2


class DataError(ConvstudyError):
    """Images or prepared arrays are missing, damaged or unusable."""

    exit_code = 3


class StorageError(ConvstudyError):
    """A disk, folder or database could not be written or read."""

    exit_code = 4


class RunsFailedError(ConvstudyError):
    """Some runs failed. All others are complete and kept."""

    exit_code = 5


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for an unknown name, with the nearest known name, or all known names if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}" if names else "there is none yet"
    return UsageError(f"unknown {kind} {name!r}: {hint}")
