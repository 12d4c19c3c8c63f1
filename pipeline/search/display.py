"""Progress of a search: one line for each finished training, and a table that is redrawn on a terminal.

The table shows counted, running, refused and failed trials, the front, the lowest error over time, trials per hour and
the time left. Without a terminal, a short line appears from time to time.
"""

import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.evidence.study_records import Budget, SearchPlan
from pipeline.running.display import ALONE, Active, Screen, StudyPart
from pipeline.search.driver import Tally
from pipeline.search.summary import front_of

SHOWN_MEMBERS = 8
BLOCKS = "▁▂▃▄▅▆▇█"
CURVE_COLUMNS = 40


class SearchDisplay:
    """Shows the progress of one search; has the methods of `Display` that a Runner calls."""

    def __init__(
        self,
        name: str,
        plan: SearchPlan,
        budget: Budget,
        stream: TextIO | None = None,
        quiet: bool = False,
        part: StudyPart = ALONE,
    ) -> None:
        self.name, self.plan, self.budget, self.part = part.title(name), plan, budget, part
        self._tally = Tally({}, budget)
        self._active: Sequence[Active] = ()
        self._started = time.monotonic()
        self._screen = Screen(self.summary, self.table, stream, quiet)
        self.line, self.close = self._screen.line, self._screen.close

    def finished(self, text: str, trained: bool = True) -> None:
        """Print a line for a training that has ended, or was found in the run store."""
        self.line(f"[{self.name}] {text}{'' if trained else ' (found finished)'}")

    def on_change(self, tally: Tally) -> None:
        """Take over the driver's current state."""
        self._tally = tally

    def update(self, active: Sequence[Active]) -> None:
        """Show the trainings that are running."""
        self._active = active
        self._screen.update()

    def summary(self) -> str:
        """The state of the search in one line."""
        tally, counts = self._tally, self._counts()
        best = min(self._errors(), default=None)
        parts = [
            f"[{self.name}] {counts['counted']}{f' of {self.budget.trials}' if self.budget.trials else ''} counted",
            f"{len(self._active)} running",
            f"{tally.refused} refused ({self._refused_percent(counts['counted']):.0f} %)",
            f"{tally.duplicates} duplicates",
            f"{counts['failed']} failed",
            f"front {len(front_of(self.plan, tally.trials.values()))}",
            "no error yet" if best is None else f"lowest error {best:.2f} %",
            f"{3600 * self._counted_here() / max(1e-9, self._seconds()):.0f} trials/hour",
            self.part.show_left(self._seconds(), self._seconds_left()),
        ]
        return ", ".join(parts)

    def table(self) -> Group:
        """The summary, the front, and the lowest error over time."""
        trials, costs = self._tally.trials, self.plan.costs
        front = Table("trial", "error %", *(cost.name for cost in costs))
        members = sorted(front_of(self.plan, trials.values()), key=lambda number: trials[number].errors[-1])
        for number in members[:SHOWN_MEMBERS]:
            shown = [cost.unit.show(trials[number].costs[cost.key]) for cost in costs]
            front.add_row(str(number), f"{trials[number].errors[-1]:.2f}", *shown)
        running = ", ".join(f"{run.name} {100 * run.share:.0f} %" for run in self._active)
        return Group(
            Text(self.summary()), front, Text(f"lowest error {curve(self._errors())}"), Text(f"running: {running}")
        )

    def _counts(self) -> dict[str, int]:
        trials = self._tally.trials.values()
        return {
            "counted": sum(trial.counted_at is not None for trial in trials),
            "failed": sum(trial.state == "failed" for trial in trials),
        }

    def _errors(self) -> list[float]:
        """Errors of the complete trials, in the order in which they finished."""
        last = sorted(
            (trial.rungs[-1] for trial in self._tally.trials.values() if trial.state == "complete"),
            key=lambda rung: rung.arrival,
        )
        return [rung.validation_error_percent for rung in last]

    def _refused_percent(self, counted: int) -> float:
        """Refused candidates in percent of all candidates."""
        return 100 * self._tally.refused / max(1, self._tally.refused + self._tally.duplicates + counted)

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _counted_here(self) -> int:
        """Trials counted since this driver started."""
        return self._counts()["counted"] - self._tally.found

    def _seconds_left(self) -> float | None:
        """The rest of the hours, or the time for the remaining trials at this driver's pace."""
        if self.budget.hours is not None:
            return max(0.0, 3600 * self.budget.hours - self._tally.spent_seconds - self._seconds())
        here = self._counted_here()
        if not here or not self.budget.trials:
            return None
        return (self.budget.trials - self._counts()["counted"]) * self._seconds() / here


def curve(values: Sequence[float]) -> str:
    """The running minimum as a row of blocks, at most CURVE_COLUMNS wide, with its first and last value."""
    lowest = [min(values[: index + 1]) for index in range(len(values))]
    if not lowest:
        return ""
    columns = [
        lowest[index * len(lowest) // min(len(lowest), CURVE_COLUMNS)]
        for index in range(min(len(lowest), CURVE_COLUMNS))
    ]
    span = columns[0] - lowest[-1]
    blocks = "".join(BLOCKS[round((v - lowest[-1]) / span * (len(BLOCKS) - 1)) if span else 0] for v in columns)
    return f"{blocks} {lowest[0]:.2f} to {lowest[-1]:.2f} %"
