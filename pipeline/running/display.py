"""Progress of trainings: one permanent line per finished training, and one live line for those that run.

A terminal or a notebook redraws the live line. Elsewhere (a log, a pipe) it is printed every LINE_SECONDS.
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
    """One training that runs now."""

    name: str
    share: float
    images_per_second: float


@dataclass(frozen=True)
class StudyPart:
    """The part of a study that a display shows, so that it can also show the time left for the whole study.

    Attributes:
        label: such as "stage 4 of 11"; empty where there is no study.
        later: work of the rest of the study, as a multiple of the work of this part.
    """

    label: str = ""
    later: float = 0.0

    def title(self, title: str) -> str:
        """A display's title with the label in front."""
        return f"{self.label}: {title}" if self.label else title

    def show_left(self, elapsed: float, left: float | None) -> str:
        """Time left of this part and of the study, from seconds since the start of this part and left for it."""
        if left is None or not self.label:
            return f"{show_duration(left)} left"
        return f"{show_duration(left)} left, about {show_duration(left + self.later * (elapsed + left))} for the study"


ALONE = StudyPart()


class Shows(Protocol):
    """The methods of a display that a runner calls."""

    def line(self, text: str) -> None:
        """Print a permanent line."""
        ...

    def finished(self, text: str, trained: bool = True) -> None:
        """Count one run as done; `trained` is False if it had finished before."""
        ...

    def update(self, active: Sequence[Active]) -> None:
        """Show the trainings that run now."""
        ...

    def close(self) -> None:
        """Remove the live line."""
        ...


class Screen:
    """Permanent lines and, below them, a live `view`. Without a terminal, `summary` is printed every LINE_SECONDS."""

    def __init__(
        self, summary: Callable[[], str], view: Callable[[], RenderableType], stream: TextIO | None, quiet: bool
    ) -> None:
        self._summary, self._printed = summary, time.monotonic()
        self._console = Console(file=stream or sys.stderr, quiet=quiet)
        self._live = Live(console=self._console, get_renderable=view, auto_refresh=False, transient=True)
        self._cell = Cell(view) if self._console.is_jupyter and not quiet and stream is None else None

    def line(self, text: str) -> None:
        """Print a permanent line."""
        if self._cell is not None:
            self._cell.line(text)
            return
        self._console.print(Text(text), soft_wrap=True)
        if self._live.is_started:
            self._live.refresh()  # the view may depend on what the line reports

    def update(self) -> None:
        """Redraw the view, or print the summary if it is due."""
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
        """Remove the view. `update` shows it again."""
        if self._cell is not None:
            self._cell.close()
        self._live.stop()


class Display:
    """Progress of a set of runs on a text stream. With `quiet` nothing is shown."""

    def __init__(
        self, title: str, total: int, stream: TextIO | None = None, quiet: bool = False, part: StudyPart = ALONE
    ) -> None:
        self.title, self.total, self.part = part.title(title), total, part
        self.done = self._found = 0
        self._active: Sequence[Active] = ()
        self._started = time.monotonic()
        self._screen = Screen(self.summary, lambda: Text(self.summary()), stream, quiet)
        self.line, self.close = self._screen.line, self._screen.close

    def expect(self, total: int) -> None:
        """Set the number of runs."""
        self.total = total

    def finished(self, text: str, trained: bool = True) -> None:
        """Count one run as done and print how it ended. One that was not `trained` does not affect the time left."""
        self.done += 1
        self._found += not trained
        self.line(f"[{self.title}] {self.done}/{self.total} {text}")

    def update(self, active: Sequence[Active]) -> None:
        """Show the trainings that run now."""
        self._active = active
        if active:
            self._screen.update()

    def summary(self) -> str:
        """One line: runs done, running trainings, images per second over all workers, time left."""
        speed = sum(run.images_per_second for run in self._active)
        runs = ", ".join(f"{run.name} {100 * run.share:.0f} %" for run in self._active)
        left = self.part.show_left(self._seconds(), self._seconds_left())
        return f"[{self.title}] {self.done}/{self.total} done; {runs}; {speed:,.0f} images/s; {left}"

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _seconds_left(self) -> float | None:
        """Extrapolated from the work done since the start. All runs count the same."""
        done = self.done - self._found + sum(run.share for run in self._active)
        if done < 0.05:
            return None
        return self._seconds() * (self.total - self._found - done) / done


def show_duration(seconds: float | None) -> str:
    """Hours, minutes and seconds, such as 1:02:03."""
    if seconds is None:
        return "unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
