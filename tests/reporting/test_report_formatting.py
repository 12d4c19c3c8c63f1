import pytest
from markupsafe import Markup

from pipeline.evidence.records import Interval
from pipeline.reporting.formatting import (
    csv_cell,
    decimals,
    duration,
    exact,
    listing,
    markdown,
    measured,
    memory,
    p_value,
    points,
    quantity,
    share,
    shorten,
    spread,
)


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.04991, "0.0499"), (0.05, "0.05"), (0.0502, "0.05"), (0.0499999, "0.0499999"), (0.31, "0.31"), (0, "< 0.001")],
)
def test_no_probability_is_rounded_across_the_level(value: float, told: str) -> None:
    assert p_value(value) == told


def test_no_difference_is_rounded_to_none() -> None:
    assert [points(value) for value in (0.0, 0.004, -0.0003, 0.885)] == ["+0.00", "+0.004", "-0.0003", "+0.89"]
    assert [measured(value, 0.5) for value in (0.0, 0.004, -0.62)] == ["0.00", "0.004", "−0.62"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (999, "999"),
        (999.9, "1.00k"),
        (44_426, "44.4k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (1_204_170, "1.20M"),
        (7_547_232_256, "7.55G"),
        (None, "–"),
    ],
)
def test_quantities_have_three_digits_and_a_prefix(value: float | None, told: str) -> None:
    assert quantity(value) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.00042, "420 µs"), (0.0043, "4.30 ms"), (1, "1.00 s"), (75, "75.0 s"), (612, "10.2 min"), (5400, "1.50 h")],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_memory_is_told_in_binary_units() -> None:
    assert [memory(512), memory(33_792), memory(3 * 2**20), memory(None)] == ["512 B", "33.0 KiB", "3.00 MiB", "–"]


def test_exact_values_keep_their_digits() -> None:
    assert exact(44_426, "parameters") == "44,426 parameters"
    assert exact(7.176666) == "7.17667"
    assert exact(None) == ""


def test_shares_are_rounded_to_two_digits() -> None:
    assert [share(1, 3), share(0.03, 100), share(0, 5), share(1, 0)] == ["33 %", "0.03 %", "0 %", "–"]


def test_spread_is_half_the_interval() -> None:
    assert spread(Interval(7.0, (6.5, 7.5), 3)) == "± 0.50"
    assert spread(Interval(7.0, None, 1)) == ""


def test_an_interval_cut_at_0_or_100_percent_is_shown_by_its_ends() -> None:
    assert spread(Interval(79.34, (17.2, 100.0), 2)) == "(17.20 to 100.00)"
    assert spread(Interval(3.0, (0.0, 41.0), 2)) == "(0.00 to 41.00)"
    assert spread(Interval(3.0, (0.0, 6.0), 2)) == "± 3.00"  # it ends there by itself
    assert decimals(None) == "–"


def test_listings_read_as_prose() -> None:
    assert [listing([]), listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_long_names_end_in_an_ellipsis_on_one_line() -> None:
    assert shorten("a\nb", 5) == "a b"
    assert shorten("abcdef", 5) == "abcd…"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a|b", r"a\|b"),
        ("a\r\n\nb\u2028c", "a b c"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[x](y) `z` *e* _f_", r"\[x\](y) \`z\` \*e\* \_f\_"),
        (", ", ", "),
        (3, "3"),
    ],
)
def test_markdown_text_stays_text(text: object, told: str) -> None:
    assert markdown(text) == told


def test_markup_made_by_a_template_passes() -> None:
    assert markdown(Markup("<b>")) == "<b>"


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_defused(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


def test_numbers_and_plain_text_are_left_alone() -> None:
    assert [csv_cell(-0.5), csv_cell("resnet-small"), csv_cell(None)] == [-0.5, "resnet-small", None]
