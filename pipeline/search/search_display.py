"""What a user sees of a search: lines that last for what has ended, and a table that is redrawn on a terminal.

The table: counted, running, refused and failed trials, the front, the course of the lowest error, trainings an hour and
time left. Where there is no terminal, a line now and then says the same shortly.
"""

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.cost.limits import show_cost
from pipeline.evidence.study_records import COST_OF, Budget, SearchPlan
from pipeline.search.display import LINE_SECONDS, Active, show_duration
from pipeline.search.driver import Tally
from pipeline.search.study_summary import front_of

SHOWN_MEMBERS = 8
BLOCKS = "▁▂▃▄▅▆▇█"
CURVE_COLUMNS = 40


class SearchDisplay:
    """Progress of one search, with the methods of `Display` that a Runner calls."""

    def __init__(
        self, name: str, plan: SearchPlan, budget: Budget, stream: TextIO | None = None, quiet: bool = False
    ) -> None:
        self.name, self.plan, self.budget, self.quiet = name, plan, budget, quiet
        self.stream = stream or sys.stderr
        self._console = Console(file=self.stream)
        self._live: Live | None = None
        self._tally = Tally([], budget)
        self._active: Sequence[Active] = ()
        self._started = self._printed = time.monotonic()
        self._trained = 0

    def line(self, text: str) -> None:
        """Print a line that lasts."""
        if not self.quiet:
            self._console.print(Text(text), soft_wrap=True)

    def finished(self, text: str, trained: bool = True) -> None:
        """A training has ended, or was found."""
        self._trained += trained
        self.line(f"[{self.name}] {text}")

    def told(self, tally: Tally) -> None:
        """The driver knows more."""
        self._tally = tally

    def update(self, active: Sequence[Active]) -> None:
        """Show what is under way."""
        self._active = active
        if self.quiet:
            return
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, transient=True, auto_refresh=False)
                self._live.start()
            self._live.update(self.table(), refresh=True)
        elif time.monotonic() - self._printed >= LINE_SECONDS:
            self._printed = time.monotonic()
            self.line(self.summary())

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def summary(self) -> str:
        """Where the search stands, in one line."""
        told, counts = self._tally, self._counts()
        best = min(self._errors(), default=None)
        parts = [
            f"[{self.name}] {counts['counted']}{f' of {self.budget.trials}' if self.budget.trials else ''} counted",
            f"{len(self._active)} running",
            f"{told.refused} refused",
            f"{told.duplicates} duplicates",
            f"{counts['failed']} failed",
            f"front {len(front_of(self.plan, told.trials))}",
            "no error yet" if best is None else f"lowest error {best:.2f} %",
            f"{self._per_hour():.0f} trainings/hour",
            f"{show_duration(self._seconds_left())} left",
        ]
        return ", ".join(parts)

    def table(self) -> Group:
        """The same with the front and the course of the lowest error."""
        front = Table("trial", "error %", *self.plan.objectives[1:], title=self.summary(), title_justify="left")
        members = sorted(
            front_of(self.plan, self._tally.trials),
            key=lambda n: self._tally.trials[n].rungs[-1].validation_error_percent,
        )
        for number in members[:SHOWN_MEMBERS]:
            trial = self._tally.trials[number]
            costs = [show_cost(COST_OF[o], trial.costs[COST_OF[o]]) for o in self.plan.objectives[1:]]
            front.add_row(str(number), f"{trial.rungs[-1].validation_error_percent:.2f}", *costs)
        running = ", ".join(f"{run.name} {100 * run.share:.0f} %" for run in self._active)
        return Group(front, Text(f"lowest error {curve(self._errors())}"), Text(f"running: {running}"))

    def _counts(self) -> dict[str, int]:
        trials = self._tally.trials
        return {
            "counted": sum(trial.counted_at is not None for trial in trials),
            "failed": sum(trial.state == "failed" for trial in trials),
        }

    def _errors(self) -> list[float]:
        """Errors of the complete trials, in the order in which they came to count."""
        complete = [trial for trial in self._tally.trials if trial.state == "complete"]
        return [t.rungs[-1].validation_error_percent for t in sorted(complete, key=lambda t: t.counted_at or 0)]

    def _per_hour(self) -> float:
        return 3600 * self._trained / max(1e-9, time.monotonic() - self._started)

    def _seconds_left(self) -> float | None:
        spent = time.monotonic() - self._started
        if self.budget.hours is not None:
            return max(0.0, 3600 * self.budget.hours - spent)
        done = self._counts()["counted"]
        if not self._trained or not self.budget.trials:
            return None
        return (self.budget.trials - done) * spent / self._trained


def curve(values: Sequence[float]) -> str:
    """The running minimum as a row of blocks, first to last, at most CURVE_COLUMNS wide."""
    lowest = [min(values[: place + 1]) for place in range(len(values))]
    if not lowest:
        return ""
    columns = [
        lowest[place * len(lowest) // min(len(lowest), CURVE_COLUMNS)]
        for place in range(min(len(lowest), CURVE_COLUMNS))
    ]
    span = columns[0] - lowest[-1]
    blocks = "".join(BLOCKS[round((v - lowest[-1]) / span * (len(BLOCKS) - 1)) if span else 0] for v in columns)
    return f"{blocks} {lowest[0]:.2f} to {lowest[-1]:.2f} %"
