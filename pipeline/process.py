"""How the project's processes begin and end: one-line errors, exit codes, signals, locks, no orphans.

Exit codes are those of pipeline.errors, and 130 / 143 when interrupted by SIGINT / SIGTERM; what was finished stays.
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
from typing import Any, NoReturn, TextIO

import psutil

from pipeline.environment import complete_environment
from pipeline.errors import ConvstudyError, StorageError

POLL_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
ORPHAN_SECONDS = 15.0
"""How long a stage waits for a predecessor that is about to notice that its parent is gone."""


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived; a BaseException, so that nothing on the way mistakes it for a failed run."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


def run_and_exit(action: Callable[[], object], debug: bool = False) -> NoReturn:
    """Call `action`, tell what goes wrong in one line (with a traceback if `debug`), and exit with the right code."""
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
        print(f"interrupted by {error}; what was finished is kept, the same command continues", file=sys.stderr)
        code = error.exit_code
    sys.stdout.flush()
    sys.exit(code)


class _UntilClosed:
    """A text stream that turns silent when its reader is gone, as in `convstudy … | head -1`: the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, unless nobody reads any more."""
        self._unless_closed(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, unless nobody reads any more."""
        self._unless_closed(self._stream.flush)

    def _unless_closed(self, action: Callable[[], object]) -> None:
        try:
            action()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def run_stage(name: str, locks: Path, action: Callable[[], object]) -> NoReturn:
    """Run a DVC stage: as `run_and_exit`, under the stage's own lock, and ending when the DVC that called it ends.

    A killed `dvc repro` leaves its child running, and a second one beside it would write the same files.
    """

    def alone() -> None:
        with only_one(name, locks, patience_seconds=ORPHAN_SECONDS):
            action()

    if "DVC_STAGE" in os.environ:
        caller = _calling_dvc()
        if caller is None:  # it was killed while this process began
            print("the DVC that called this stage is gone; nothing was begun", file=sys.stderr)
            sys.exit(128 + signal.SIGTERM)
        die_with(caller.pid)
    run_and_exit(alone, debug=bool(os.environ.get("CONVSTUDY_DEBUG")))


def hide_arguments(secret: str) -> None:
    """Take a secret out of what other users of the machine see of this process's command line."""
    import setproctitle

    shown = [argument.replace(secret, "***") for argument in sys.argv]
    setproctitle.setproctitle(" ".join(["convstudy", *shown[1:]]))


@contextmanager
def only_one(name: str, locks: Path, patience_seconds: float) -> Iterator[None]:
    """Hold the lock `name`; raises StorageError naming the holder when another process keeps it for so long.

    The operating system drops the lock when its holder ends, however it ends: there is none to delete by hand.
    """
    import filelock  # slow to import, and only stages need it

    locks.mkdir(parents=True, exist_ok=True)
    path = locks / f"{name.replace('/', '-')}.lock"
    owner = path.with_suffix(".pid")
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=patience_seconds)
    except filelock.Timeout as error:
        holder = owner.read_text().strip() if owner.exists() else "unknown"
        raise StorageError(f"{name} is already running in process {holder}; wait for it or stop it") from error
    try:
        owner.write_text(f"{os.getpid()}\n")
        yield
    finally:
        lock.release()


def is_held(name: str, locks: Path) -> bool:
    """Whether some process holds the lock `name`."""
    return is_locked(locks / f"{name.replace('/', '-')}.lock")


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock file `path`; writes nothing, so that a folder may be read-only."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def locked(path: Path, shared: bool = False, before_waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path`, alone or `shared` with others, once those that exclude this have released it.

    The operating system drops the lock when its holder ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with path.open("a") as file:
        try:
            fcntl.flock(file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            before_waiting()
            fcntl.flock(file, mode)
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block has ended, then arrive: for writes that must not end half done.

    An exception raised by a signal inside a database transaction keeps that transaction, and its lock, alive for as
    long as the exception itself: the clean-up that it causes would wait for that lock.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are handled by the main thread alone
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
    """Have the system kill this process when its parent ends, even while it is stopped; Linux only."""
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
    """Pass over a process that has ended meanwhile."""
    try:
        yield
    except psutil.NoSuchProcess:
        return


def _calling_dvc() -> psutil.Process | None:
    """The nearest ancestor that is a DVC command, if there is one."""
    for ancestor in psutil.Process().parents():
        if any(Path(part).name.startswith("dvc") for part in ancestor.cmdline()[:3]):
            return ancestor
    return None


def _interrupt(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM):  # a second signal must not break the clean-up of the first
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)
