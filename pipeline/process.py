"""Processes of the project: one-line errors, exit codes, signals, locks, and no orphans.

Exit codes are those of pipeline.errors; 130 after SIGINT and 143 after SIGTERM.
"""

import ctypes
import fcntl
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn, TextIO

import psutil

from pipeline.environment import complete_environment
from pipeline.errors import ConvstudyError, StorageError

POLL_SECONDS = 0.5
LOCK_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
ORPHAN_SECONDS = 15.0
"""How long a stage waits for its predecessor, whose DVC was killed, to end."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived. A BaseException, so that no handler mistakes it for a failed run."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


def run_and_exit(action: Callable[[], object], debug: bool = False) -> NoReturn:
    """Call `action`, print an error in one line (with a traceback if `debug`), and exit with its code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    complete_environment()
    sys.stdout, sys.stderr = _UntilClosed(sys.stdout), _UntilClosed(sys.stderr)
    code = 0
    try:
        action()
    except ConvstudyError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except OSError as error:
        if debug:
            traceback.print_exc()
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        code = StorageError.exit_code
    except Interrupted as error:
        print(f"interrupted by {error}; finished work is kept; run the same command again to resume", file=sys.stderr)
        code = error.exit_code
    sys.stdout.flush()
    sys.exit(code)


class _UntilClosed:
    """A text stream that ignores writes once its reader is gone, as in `convstudy … | head -1`. The work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, unless the reader is gone."""
        self._unless_closed(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, unless the reader is gone."""
        self._unless_closed(self._stream.flush)

    def _unless_closed(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def run_stage(name: str, locks: Path, action: Callable[[], object]) -> NoReturn:
    """Run a DVC stage like `run_and_exit`, but under the stage's own lock, and end when the calling DVC ends.

    Otherwise a killed `dvc repro` leaves its stage running, and the next `dvc repro` writes the same files.
    """

    def alone() -> None:
        with only_one(name, locks, patience_seconds=ORPHAN_SECONDS):
            action()

    if "DVC_STAGE" in os.environ:
        caller = _calling_dvc()
        if caller is None:  # it was killed while this process started
            print("the DVC that called this stage is gone; nothing was started", file=sys.stderr)
            sys.exit(128 + signal.SIGTERM)
        die_with(caller.pid)
    run_and_exit(alone, debug=bool(os.environ.get("CONVSTUDY_DEBUG")))


def hide_arguments(secret: str) -> None:
    """Hide a secret in the command line of this process, which other users of the machine can see."""
    import setproctitle

    shown = [argument.replace(secret, "***") for argument in sys.argv]
    setproctitle.setproctitle(" ".join(["convstudy", *shown[1:]]))


@contextmanager
def only_one(name: str, locks: Path, patience_seconds: float) -> Iterator[None]:
    """Hold the lock `name`; raises StorageError naming the process that still holds it after `patience_seconds`.

    The holder's process id is the content of the lock file.
    """
    deadline = time.monotonic() + patience_seconds
    with _opened(_lock_file(name, locks)) as file:
        while not _take(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise StorageError(f"{name} is already running in process {holder}; wait for it or stop it")
            time.sleep(LOCK_POLL_SECONDS)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def locked(path: Path, shared: bool = False, before_waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, alone or `shared` with others; wait as long as others exclude this process."""
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with _opened(path) as file:
        if not _take(file, mode):
            before_waiting()
            fcntl.flock(file, mode)
        yield


def is_held(name: str, locks: Path) -> bool:
    """Whether some process holds the lock `name`."""
    return is_locked(_lock_file(name, locks))


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock file `path`. Writes nothing, so the folder may be read-only."""
    try:
        with path.open() as file:
            return not _take(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _lock_file(name: str, locks: Path) -> Path:
    return locks / f"{name.replace('/', '-')}.lock"


def _opened(path: Path) -> IO[str]:
    """The lock file, created if absent. The system releases its lock when it is closed, or its process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+")


def _take(file: IO[str], mode: int) -> bool:
    """Take the lock, if nobody holds one that excludes it."""
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the block has ended, for writes that must not be cut off.

    An exception that a signal raises inside a database transaction keeps the transaction and its lock alive. Clean-up
    code would then wait for that lock.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
        yield
        return
    arrived: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, lambda number, frame: arrived.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        for first in arrived[:1]:
            signal.raise_signal(first)


def die_with_parent() -> None:
    """Have the system kill this process when its parent ends, even while it is suspended; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def die_with(pid: int) -> None:
    """End this process, and its children, soon after the process `pid` has ended."""

    def watch() -> None:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(POLL_SECONDS)
        for child in psutil.Process().children(recursive=True):
            with suppressed_if_gone():
                child.kill()
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=_unless_gone, args=(watch,), name=f"die-with-{pid}", daemon=True).start()


def _unless_gone(watch: Callable[[], None]) -> None:
    try:
        watch()
    except psutil.NoSuchProcess:
        os._exit(128 + signal.SIGTERM)


@contextmanager
def suppressed_if_gone() -> Iterator[None]:
    """Ignore that a process has ended meanwhile."""
    try:
        yield
    except psutil.NoSuchProcess:
        return


def _calling_dvc() -> psutil.Process | None:
    """The nearest ancestor that is a DVC command, if any."""
    for ancestor in psutil.Process().parents():
        if any(Path(part).name.startswith("dvc") for part in ancestor.cmdline()[:3]):
            return ancestor
    return None


def _interrupt(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM):  # a second signal must not break the clean-up of the first
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)
