"""What a user sees of a set of runs: on a terminal, in a log, and when quiet."""

import io

import pytest

from pipeline.running.display import LINE_SECONDS, Active, Display, show_duration

HALFWAY = Active("lenet seed 1", 0.5, 1234.5)


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only element."""
    now = [1000.0]
    monkeypatch.setattr("pipeline.running.display.time.monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_for_each_run_and_one_now_and_then(clock: list[float]) -> None:
    log = io.StringIO()
    display = Display("train", 3, log)
    display.finished("lenet seed 0: validation error 20 %")
    clock[0] += LINE_SECONDS - 1
    display.update([HALFWAY])
    assert log.getvalue() == "[train] 1/3 lenet seed 0: validation error 20 %\n"
    clock[0] += 2
    display.update([HALFWAY])
    display.update([HALFWAY])
    last = (
        "[train] 1/3 done; lenet seed 1 50 %; 1,234 images/s; 0:11 left"  # one run and a half in 11 s, and as much left
    )
    assert log.getvalue().splitlines()[1:] == [last]


def test_a_run_that_was_found_says_nothing_of_the_time_left(clock: list[float]) -> None:
    display = Display("train", 3, io.StringIO())
    display.finished("found", trained=False)
    clock[0] += 60
    assert display.summary().endswith("unknown time left")
    display.finished("trained")
    assert display.summary().endswith("1:00 left")


def test_on_a_terminal_the_live_line_is_redrawn_below_the_lines_that_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")  # narrower than the live line
    terminal = Terminal()
    display = Display("train", 2, terminal)
    display.update([HALFWAY])
    assert "lenet seed 1 50 %" in terminal.getvalue().replace("\n", " ")
    before = len(terminal.getvalue())
    display.finished("lenet seed 1: validation error 20 %, longer than the terminal is wide")
    drawn = terminal.getvalue()[before:]
    line = drawn.index("[train] 1/2 lenet seed 1: validation error 20 %, longer than the terminal is wide")
    assert drawn.rindex("[train] 1/2 done;") > line
    display.close()
    display.close()
    assert terminal.getvalue().endswith("\x1b[2K")  # the live line is erased


def test_a_quiet_display_shows_nothing(clock: list[float]) -> None:
    for stream in (io.StringIO(), Terminal()):
        display = Display("train", 1, stream, quiet=True)
        display.finished("lenet seed 0")
        clock[0] += 2 * LINE_SECONDS
        display.update([HALFWAY])
        display.close()
        assert stream.getvalue() == ""


@pytest.mark.parametrize(("seconds", "text"), [(None, "unknown time"), (0.4, "0:00"), (61, "1:01"), (3723, "1:02:03")])
def test_durations_are_hours_minutes_and_seconds(seconds: float | None, text: str) -> None:
    assert show_duration(seconds) == text
