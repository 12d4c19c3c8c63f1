"""What a user sees while trainings run: lines that last for what is done, one live line for what is under way.

On a terminal the live line is redrawn; elsewhere (a log, a pipe) it is printed now and then.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

LINE_SECONDS = 10.0


@dataclass(frozen=True)
class Active:
    """One training under way."""

    name: str
    share: float
    images_per_second: float


class Shows(Protocol):
    """What a runner needs of a display."""

    def line(self, text: str) -> None:
        """Print a line that lasts."""
        ...

    def finished(self, text: str, trained: bool = True) -> None:
        """One run is done; `trained` is False for one that was found finished."""
        ...

    def update(self, active: Sequence[Active]) -> None:
        """Show what is under way."""
        ...


class Display:
    """Progress of a set of runs on a text stream; `quiet` shows nothing."""

    def __init__(self, title: str, total: int, stream: TextIO | None = None, quiet: bool = False) -> None:
        self.title, self.total, self.quiet = title, total, quiet
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.done = self._found = 0
        self._started = self._printed = time.monotonic()
        self._width = 0

    def expect(self, total: int) -> None:
        """So many runs there will be."""
        self.total = total

    def line(self, text: str) -> None:
        """Print a line that lasts."""
        if not self.quiet:
            self._clear()
            print(text, file=self.stream, flush=True)

    def finished(self, text: str, trained: bool = True) -> None:
        """Count one run as done and say how it ended; one that was found finished says nothing of the time left."""
        self.done += 1
        self._found += not trained
        self.line(f"[{self.title}] {self.done}/{self.total} {text}")

    def update(self, active: Sequence[Active]) -> None:
        """Show what is under way: how many done and left, images per second over all workers, time left."""
        now = time.monotonic()
        if self.quiet or not active or (not self.live and now - self._printed < LINE_SECONDS):
            return
        self._printed = now
        speed = sum(run.images_per_second for run in active)
        runs = ", ".join(f"{run.name} {100 * run.share:.0f} %" for run in active)
        left = self._seconds_left(active)
        text = (
            f"[{self.title}] {self.done}/{self.total} done; {runs}; {speed:,.0f} images/s; {show_duration(left)} left"
        )
        if self.live:
            self._clear()
            self._width = len(text)
            print(text, end="\r", file=self.stream, flush=True)
        else:
            print(text, file=self.stream, flush=True)

    def _seconds_left(self, active: Sequence[Active]) -> float | None:
        """Extrapolated from the work done since the start, every run counted alike."""
        done = self.done - self._found + sum(run.share for run in active)
        if done < 0.05:
            return None
        return (time.monotonic() - self._started) * (self.total - self._found - done) / done

    def _clear(self) -> None:
        if self._width:
            print(" " * self._width, end="\r", file=self.stream)
            self._width = 0


def show_duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, as in 1:02:03."""
    if seconds is None:
        return "unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
