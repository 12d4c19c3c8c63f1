"""What a user sees while trainings run: a line that lasts for each that is done, one live line for those under way.

On a terminal and in a notebook the live line is redrawn; elsewhere (a log, a pipe) it is printed now and then.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from pipeline.running.notebook import Cell

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

    def close(self) -> None:
        """Remove what `update` shows."""
        ...


class Screen:
    """Lines that last and, below them, a live `view`; where there is no terminal, its `summary` now and then."""

    def __init__(
        self, summary: Callable[[], str], view: Callable[[], RenderableType], stream: TextIO | None, quiet: bool
    ) -> None:
        self._summary, self._printed = summary, time.monotonic()
        self._console = Console(file=stream or sys.stderr, quiet=quiet)
        self._live = Live(console=self._console, get_renderable=view, auto_refresh=False, transient=True)
        self._cell = Cell(view) if self._console.is_jupyter and not quiet and stream is None else None

    def line(self, text: str) -> None:
        """Print a line that lasts."""
        if self._cell is not None:
            self._cell.line(text)
            return
        self._console.print(Text(text), soft_wrap=True)
        if self._live.is_started:
            self._live.refresh()  # the line may have changed what the view shows

    def update(self) -> None:
        """Show what is under way as it is now."""
        if self._console.quiet:
            return
        if self._cell is not None:
            self._cell.refresh()
        elif self._console.is_terminal:
            self._live.start()
            self._live.refresh()
        elif time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            self.line(self._summary())

    def close(self) -> None:
        """Remove the view; `update` shows it again."""
        if self._cell is not None:
            self._cell.close()
        self._live.stop()


class Display:
    """Progress of a set of runs on a text stream; `quiet` shows nothing."""

    def __init__(self, title: str, total: int, stream: TextIO | None = None, quiet: bool = False) -> None:
        self.title, self.total = title, total
        self.done = self._found = 0
        self._active: Sequence[Active] = ()
        self._started = time.monotonic()
        self._screen = Screen(self.summary, lambda: Text(self.summary()), stream, quiet)
        self.line, self.close = self._screen.line, self._screen.close

    def expect(self, total: int) -> None:
        """Set the number of runs."""
        self.total = total

    def finished(self, text: str, trained: bool = True) -> None:
        """Count one run as done and say how it ended; one that was found finished says nothing of the time left."""
        self.done += 1
        self._found += not trained
        self.line(f"[{self.title}] {self.done}/{self.total} {text}")

    def update(self, active: Sequence[Active]) -> None:
        """Show what is under way."""
        self._active = active
        if active:
            self._screen.update()

    def summary(self) -> str:
        """How many runs are done and left, images per second over all workers, time left, in one line."""
        speed = sum(run.images_per_second for run in self._active)
        runs = ", ".join(f"{run.name} {100 * run.share:.0f} %" for run in self._active)
        left = show_duration(self._seconds_left())
        return f"[{self.title}] {self.done}/{self.total} done; {runs}; {speed:,.0f} images/s; {left} left"

    def _seconds_left(self) -> float | None:
        """Extrapolated from the work done since the start, every run counted alike."""
        done = self.done - self._found + sum(run.share for run in self._active)
        if done < 0.05:
            return None
        return (time.monotonic() - self._started) * (self.total - self._found - done) / done


def show_duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, as in 1:02:03."""
    if seconds is None:
        return "unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
