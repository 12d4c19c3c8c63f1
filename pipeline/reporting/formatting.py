"""Formats numbers for readers, and escapes text for Markdown and CSV.

Rounded numbers lose digits on purpose. The exact value (`exact`) is in a title attribute or a CSV.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pipeline.evidence.records import Interval

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_MARKDOWN_SPECIAL = re.compile(r"[\\`*_{}\[\]|~#$]")
_LINE_BREAKS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
ABSENT = "–"
LEVEL = 0.05
"""Significance level. Rounding never moves a p value across it."""


def quantity(value: float | None) -> str:
    """A count with three significant digits and an SI prefix: 44,426 as 44.4k, 7,547,232,256 as 7.55G."""
    if value is None:
        return ABSENT
    for factor, prefix in _PREFIXES:
        if abs(value) >= factor * 0.9995:
            return f"{_three_digits(value / factor)}{prefix}"
    return f"{value:,.0f}" if float(value).is_integer() else _three_digits(value)


def memory(value: float | None) -> str:
    """Bytes in binary units with three significant digits: 33,792 as 33.0 KiB."""
    if value is None:
        return ABSENT
    for factor, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(value) >= factor:
            return f"{_three_digits(value / factor)} {unit}"
    return f"{value:,.0f} B"


def duration(seconds: float | None) -> str:
    """Seconds in the unit that suits them: 0.00042 as 420 µs, 75 as 75.0 s, 5,400 as 1.50 h."""
    if seconds is None:
        return ABSENT
    for factor, unit in ((3600, "h"), (120, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor * 0.9995:
            return f"{_three_digits(seconds / (60 if unit == 'min' else factor))} {unit}"
    return f"{seconds:g} s"


def decimals(value: float | None, places: int = 2) -> str:
    """A number with a fixed count of decimals, for table columns."""
    return ABSENT if value is None else f"{value:.{places}f}"


def number(value: float | None) -> str:
    """A number for sentences: whole numbers in full, others with four significant digits."""
    if value is None:
        return ABSENT
    if not math.isfinite(value):
        return f"{value}".replace("-", "−")
    rounded = value if float(value).is_integer() or abs(value) >= 1000 else float(f"{value:.4g}")
    text = f"{rounded:,.0f}" if float(rounded).is_integer() or abs(rounded) >= 1000 else f"{rounded:,}"
    return text.replace("-", "−")


def measured(value: float, smallest: float, signed: bool = False) -> str:
    """A measured value rounded so that a difference of `smallest` has two significant digits: −0.62.

    Uses more decimals if the value would otherwise round to zero.
    """
    places = max(0, 1 - math.floor(math.log10(smallest)))
    while value and places < 6 and round(value, places) == 0:
        places += 1
    return f"{value:{'+' if signed else ''}.{places}f}".replace("-", "−")


def factor(value: float) -> str:
    """A factor with three significant digits: 0.0523, 1.50, 12.3."""
    return _three_digits(value)


def core_hours(hours: float) -> str:
    """Core-hours in sentences; less than one as core-minutes."""
    return f"{number(hours)} core-hours" if hours >= 1 or not hours else f"{number(60 * hours)} core-minutes"


def p_value(value: float) -> str:
    """A p value: "< 0.001", or two significant digits, more if rounding would move it across LEVEL."""
    if value < 0.001:
        return "< 0.001"
    texts = (f"{value:.{digits}g}" for digits in range(2, 17))
    return next(text for text in texts if (float(text) < LEVEL) == (value < LEVEL) or float(text) == value)


def points(value: float) -> str:
    """A difference in points with sign and two decimals; more decimals if it would otherwise round to zero."""
    texts = (f"{value:+.{places}f}" for places in range(2, 17))
    return next((text for text in texts if float(text) or not value), f"{value:+.2f}")


def exact(value: float | None, unit: str = "") -> str:
    """The full number with thousands separators, for titles."""
    if value is None:
        return ""
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return f"{number} {unit}".strip()


def spread(interval: Interval | None) -> str:
    """Half the width of an interval, "± 0.31"; both ends, "(0.00 to 14.32)", if it was cut at 0 or 100 %.

    Empty if there is no interval (a single seed).
    """
    if interval is None or interval.interval is None:
        return ""
    low, high = interval.interval
    is_cut = low == 0 or high == 100
    if is_cut and not math.isclose(high - interval.mean, interval.mean - low):
        return f"({low:.2f} to {high:.2f})"
    return f"± {(high - low) / 2:.2f}"


def share(part: float, whole: float) -> str:
    """`part` of `whole` in percent, with two significant digits: 3.1 %, 31 %."""
    if whole <= 0:
        return ABSENT
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.2g} %"


def shape(sizes: tuple[int, ...]) -> str:
    """Sizes with a multiplication sign: (6, 28, 28) as 6×28×28."""
    return "×".join(map(str, sizes))


def network(config: Mapping[str, Any]) -> str:
    """A network as in a CONFIG.json, on one line: resnet depths [1, 2], widths [16, 32]."""
    fields = ", ".join(f"{name} {json.dumps(value)}" for name, value in config["config"].items())
    return f"{config['family']} {fields}"


def sentence(text: str) -> str:
    """Text with its first letter in upper case, the rest unchanged."""
    return text[:1].upper() + text[1:]


def slug(text: str) -> str:
    """Lower-case letters, digits and hyphens, as in an anchor or a file's name: "V4, (a)" as v4-a."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def listing(words: list[str]) -> str:
    """Joins words: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def shorten(text: str, length: int) -> str:
    """At most `length` characters on one line, ending with an ellipsis if text was cut."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def markdown(value: object) -> str:
    """Any value as escaped Markdown text, also for table cells. `Markup` passes unchanged.

    HTML characters become entities, Markdown characters are escaped, and line breaks become spaces.
    """
    if isinstance(value, Markup):
        return str(value)
    text = _LINE_BREAKS.sub(" ", str(value))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN_SPECIAL.sub(r"\\\g<0>", text)


def csv_cell(value: object) -> object:
    """Text that a spreadsheet would read as a formula gets a leading apostrophe; other values are unchanged."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_START) else value


def _three_digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"
