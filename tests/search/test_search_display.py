"""What a user sees of a search while it runs, from trials and times that are given."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from table_search import table_plan

from pipeline.data.manifest import Manifest
from pipeline.evidence.study_records import Budget, Rung, Trial, TrialState
from pipeline.running.display import Active
from pipeline.search.display import SearchDisplay, curve
from pipeline.search.driver import Tally


def trial(number: int, state: TrialState | None, *errors: float) -> Trial:
    rungs = tuple(Rung(3**index, error, index + 1) for index, error in enumerate(errors))
    counted = number + 1 if errors or state == "failed" else None
    return Trial(number, {}, {}, {"macs": 1000.0}, run=f"r{number}", rungs=rungs, state=state, counted_at=counted)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only element."""
    now = [1000.0]
    monkeypatch.setattr("pipeline.search.display.time.monotonic", lambda: now[0])
    return now


def shown(manifest: Manifest, budget: Budget, found: int = 10) -> SearchDisplay:
    """30 of 31 trials have come to count, of which so many were `found`."""
    display = SearchDisplay("mine", table_plan(manifest), budget, io.StringIO())
    trials = [trial(n, "complete", 50.0, 40.0, 30.0 - n) for n in range(4)]
    trials += [trial(n, None, 60.0) for n in range(4, 29)] + [trial(29, "failed"), trial(30, None)]
    display.on_change(
        Tally(dict(enumerate(trials)), budget, found=found, spent_seconds=3000.0, refused=60, duplicates=10)
    )
    return display


def test_trials_left_take_as_long_as_those_that_came_to_count(manifest: Manifest, clock: list[float]) -> None:
    assert "unknown time left" in shown(manifest, Budget(trials=60), found=30).summary()
    display = shown(manifest, Budget(trials=60))
    clock[0] += 60
    text = display.summary()
    assert "30 of 60 counted" in text and "60 refused (60 %), 10 duplicates, 1 failed" in text
    assert "1200 trials/hour" in text and "1:30 left" in text  # 20 of them by this driver, in a minute
    assert "lowest error 27.00 %" in text


def test_hours_are_those_of_all_drivers(manifest: Manifest, clock: list[float]) -> None:
    display = shown(manifest, Budget(hours=2))
    clock[0] += 600
    assert "1:00:00 left" in display.summary()  # 3,000 s were spent before, 600 now


def test_the_table_has_the_front_and_who_trains(manifest: Manifest) -> None:
    display = shown(manifest, Budget(trials=60))
    display.update([Active("trial 30", 0.5, 100.0)])
    stream = io.StringIO()
    Console(file=stream, width=160).print(display.table())
    text = stream.getvalue()
    assert "running: trial 30 50 %" in text and "27.00" in text and "│ 1k" in text
    assert "[mine] 30 of 60 counted, 1 running" in text


def test_a_finished_training_is_a_line(manifest: Manifest) -> None:
    stream = io.StringIO()
    display = SearchDisplay("mine", table_plan(manifest), Budget(trials=2), stream)
    display.finished("trial 7: error 20 %", trained=False)
    assert stream.getvalue() == "[mine] trial 7: error 20 % (found finished)\n"


def test_the_course_is_that_of_the_ends_and_not_of_the_beginnings(manifest: Manifest) -> None:
    """A trial that came to count first may come to its end last."""
    late, soon = (
        replace(trial(0, "complete", 20.0), rungs=(Rung(9, 20.0, 9),)),
        replace(trial(1, "complete", 30.0), rungs=(Rung(9, 30.0, 5),)),
    )
    display = SearchDisplay("mine", table_plan(manifest), Budget(trials=2), io.StringIO())
    display.on_change(Tally({0: late, 1: soon}, Budget(trials=2)))
    stream = io.StringIO()
    Console(file=stream, width=160).print(display.table())
    assert "30.00 to 20.00 %" in stream.getvalue()


def test_the_curve_is_that_of_the_lowest_value() -> None:
    assert curve([]) == ""
    assert curve([3.0, 2.0, 1.0]) == "█▅▁ 3.00 to 1.00 %"
    assert curve([1.0, 2.0, 3.0]) == curve([1.0] * 3)
    assert len(curve([500.0 - n for n in range(500)]).split()[0]) == 40
