"""Colours of the report's style sheet: verdicts are legible in the light scheme and in the dark one."""

import re

import pytest

from pipeline.reporting.rendering import TEMPLATES


def colours(scheme: str) -> dict[str, str]:
    """The style sheet's colours by name, of the light scheme or of the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", (TEMPLATES / "report.css").read_text(), re.DOTALL)
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[0 if scheme == "light" else 1]))


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of relative luminances."""

    def luminance(colour: str) -> float:
        channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("verdict", ["holds", "part", "contradicted", "equivalent", "undecided"])
def test_verdicts_are_legible(scheme: str, verdict: str) -> None:
    found = colours(scheme)
    assert contrast(found[verdict], found[f"{verdict}-paper"]) >= 4.5
    for behind in ("paper", "band"):  # the drawn interval
        assert contrast(found[verdict], found[behind]) >= 3
