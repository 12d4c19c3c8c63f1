"""Numbers for readers, and text made harmless for the format it is written into.

Humane forms lose digits on purpose; the exact value stands beside them (`exact`), in a title attribute or a CSV.
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
"""On which side of this a probability lies is never lost in rounding."""


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
    """A number with a fixed count of decimals, for columns that are compared down the page."""
    return ABSENT if value is None else f"{value:.{places}f}"


def number(value: float | None) -> str:
    """A figure told in a sentence: whole numbers in full, others with four digits."""
    if value is None:
        return ABSENT
    if not math.isfinite(value):
        return f"{value}".replace("-", "−")
    rounded = value if float(value).is_integer() or abs(value) >= 1000 else float(f"{value:.4g}")
    told = f"{rounded:,.0f}" if float(rounded).is_integer() or abs(rounded) >= 1000 else f"{rounded:,}"
    return told.replace("-", "−")


def measured(value: float, smallest: float, signed: bool = False) -> str:
    """A measured value with as many decimals as let a difference of `smallest` be told with two digits: −0.62.

    More where it would seem to be zero and is not.
    """
    places = max(0, 1 - math.floor(math.log10(smallest)))
    while value and places < 6 and round(value, places) == 0:
        places += 1
    return f"{value:{'+' if signed else ''}.{places}f}".replace("-", "−")


def factor(value: float) -> str:
    """A factor with three significant digits: 0.0523, 1.50, 12.3."""
    return _three_digits(value)


def p_value(value: float) -> str:
    """A probability with two significant digits, more where it would seem to be 0.05, or that it is below 0.001."""
    if value < 0.001:
        return "< 0.001"
    told = (f"{value:.{digits}g}" for digits in range(2, 17))
    return next(text for text in told if (float(text) < LEVEL) == (value < LEVEL) or float(text) == value)


def points(value: float) -> str:
    """A difference in points with its sign and two decimals, more where they would not tell it from zero."""
    told = (f"{value:+.{places}f}" for places in range(2, 17))
    return next((text for text in told if float(text) or not value), f"{value:+.2f}")


def exact(value: float | None, unit: str = "") -> str:
    """The full number with thousands separators, for titles."""
    if value is None:
        return ""
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return f"{number} {unit}".strip()


def spread(interval: Interval | None) -> str:
    """Half the width of an interval as "± 0.31"; empty where there is none (a single seed).

    Where it was cut at 0 or 100 %, its ends: "(0.00 to 14.32)".
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
    """Text with its first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def slug(text: str) -> str:
    """Lower-case letters, digits and hyphens, as in an anchor or a file's name: "V4, (a)" as v4-a."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def listing(words: list[str]) -> str:
    """Words as prose: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def shorten(text: str, length: int) -> str:
    """At most `length` characters on one line, ending in an ellipsis where some were dropped."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def markdown(value: object) -> str:
    """Any value as Markdown text that stays text, also inside a table cell; markup that was made here passes.

    HTML characters become entities, Markdown's own are escaped, and line breaks become spaces.
    """
    if isinstance(value, Markup):
        return str(value)
    text = _LINE_BREAKS.sub(" ", str(value))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN_SPECIAL.sub(r"\\\g<0>", text)


def csv_cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula gets a leading apostrophe; all else is unchanged."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_START) else value


def _three_digits(value: float) -> str:
    """Three significant digits, and never an exponent below 1,000,000."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"
