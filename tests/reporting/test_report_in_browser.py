"""The report in a real Chromium: it draws, loads nothing, fits a phone, follows light and dark, answers a pointer."""

import json
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from claim_records import judged
from processes import LONGEST_SECONDS
from report_records import hostile_group, hostile_profiles, nine_networks, nine_profiles
from search_records import finalists_record, study_record
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from pipeline.reporting.comparison import compare
from pipeline.reporting.rendering import render_html, sections_of, study_sections

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = [name for name, found in (("chromium", CHROMIUM), ("chromedriver", DRIVER)) if not found]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not on PATH: {', '.join(MISSING)}"),
]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.binary_location = CHROMIUM or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("study") / "report.html"
    page.write_text(render_html(sections_of(compare([nine_networks()], nine_profiles()))))
    return page


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = tmp_path_factory.mktemp("hostile") / "report.html"
    page.write_text(render_html(sections_of(compare([hostile_group()], hostile_profiles()))))
    return page


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    record = study_record()
    sections = study_sections([record], {record.study: finalists_record(record)})
    page = tmp_path_factory.mktemp("searched") / "report.html"
    page.write_text(render_html(sections_of(compare([nine_networks()], nine_profiles())), sections))
    return page


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    comparisons = compare([nine_networks()], nine_profiles())
    page = tmp_path_factory.mktemp("claims") / "report.html"
    page.write_text(render_html(sections_of(comparisons), (), judged(comparisons)))
    return page


def show(browser: webdriver.Chrome, page: Path, width: int = 1280, scheme: str = "light") -> None:
    """Open a page at a width and in a colour scheme, with both logs emptied before, and wait until all is drawn."""
    browser.get("about:blank")
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    prefer(browser, scheme)
    entries(browser, "browser")
    entries(browser, "performance")
    browser.get(page.as_uri())
    wait_until_drawn(browser, scheme)


def entries(browser: webdriver.Chrome, log: str) -> list[dict[str, Any]]:
    """What a log holds since it was last read."""
    found: list[dict[str, Any]] = browser.get_log(log)  # type: ignore[no-untyped-call]
    return found


def prefer(browser: webdriver.Chrome, scheme: str) -> None:
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)


def wait_until_drawn(browser: webdriver.Chrome, scheme: str) -> None:
    script = "return document.documentElement.dataset.drawn"
    WebDriverWait(browser, LONGEST_SECONDS, 0.05).until(lambda _: browser.execute_script(script) == scheme)


def requested(browser: webdriver.Chrome) -> set[str]:
    messages = [json.loads(entry["message"])["message"] for entry in entries(browser, "performance")]
    return {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }


def luminance(colour: str) -> float:
    channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def colour_of(browser: webdriver.Chrome, selector: str, name: str) -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return str(browser.execute_script(script, selector, name))


@pytest.mark.parametrize(("which", "count"), [("study", 21), ("hostile", 21), ("searched", 25), ("claims", 26)])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light")])
def test_every_chart_is_drawn_silently_and_without_a_request(
    browser: webdriver.Chrome, which: str, count: int, width: int, scheme: str, request: pytest.FixtureRequest
) -> None:
    page: Path = request.getfixturevalue(which)
    show(browser, page, width, scheme)
    charts: list[dict[str, Any]] = browser.execute_script(
        """return [...document.querySelectorAll(".chart")].map((chart) => {
             const svg = chart.querySelector("svg");
             const box = svg ? svg.getBoundingClientRect() : {width: 0, height: 0};
             return {id: chart.id, width: box.width, height: box.height, room: chart.clientWidth,
                     marks: chart.querySelectorAll(".mark-symbol path, .mark-line path").length};
           })"""
    )
    assert len(charts) == count
    for chart in charts:
        assert chart["marks"] >= 9, chart
        assert 0.9 * chart["room"] <= chart["width"] <= chart["room"] + 1, chart
        assert chart["height"] > 100, chart
    assert entries(browser, "browser") == []
    assert requested(browser) == {page.as_uri()}


@pytest.mark.parametrize("which", ["study", "hostile"])
def test_a_phone_never_scrolls_sideways_but_the_table_does_inside_its_own_box(
    browser: webdriver.Chrome, which: str, request: pytest.FixtureRequest
) -> None:
    show(browser, request.getfixturevalue(which), width=360)
    browser.execute_script("document.querySelectorAll('details').forEach((details) => details.open = true)")
    page, inner = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert page <= inner == 360
    table, box = browser.execute_script(
        "const box = document.querySelector('.scroll'); return [box.scrollWidth, box.clientWidth]"
    )
    assert table > box


@pytest.mark.parametrize("width", [1280, 390])
def test_verdicts_fit_the_page_each_with_its_drawing(browser: webdriver.Chrome, claims: Path, width: int) -> None:
    show(browser, claims, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    drawings = browser.find_elements(By.CSS_SELECTOR, ".verdicts svg.interval")
    assert len(drawings) == 6
    for drawing in drawings:
        assert drawing.get_attribute("aria-label") and drawing.size["width"] > 100
    for row in browser.find_elements(By.CSS_SELECTOR, ".verdicts tbody tr:not(.theme)"):
        assert row.find_element(By.CSS_SELECTOR, ".verdict").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_verdicts_are_legible(browser: webdriver.Chrome, claims: Path, scheme: str) -> None:
    show(browser, claims, scheme=scheme)
    for verdict in ("holds", "holds-in-part", "undecided"):
        pill = f".verdict.{verdict}"
        behind = colour_of(browser, pill, "backgroundColor")
        assert contrast(colour_of(browser, pill, "color"), behind) >= 4.5, verdict
    paper = colour_of(browser, "body", "backgroundColor")
    for selector in ("nav.contents a", ".primary", ".said", ".estimated .change", ".verdicts th small"):
        assert contrast(colour_of(browser, selector, "color"), paper) >= 4.5, selector


def test_a_claim_is_reached_from_its_verdict_by_keyboard(browser: webdriver.Chrome, claims: Path) -> None:
    show(browser, claims)
    browser.find_element(By.CSS_SELECTOR, ".verdicts a[href='#claim-v4']").send_keys(Keys.ENTER)
    section = browser.find_element(By.ID, "claim-v4")
    inside = "const box = arguments[0].getBoundingClientRect(); return box.top >= 0 && box.top < innerHeight"
    WebDriverWait(browser, LONGEST_SECONDS, 0.05).until(lambda _: browser.execute_script(inside, section))
    levels = [int(h.tag_name[1]) for h in browser.find_elements(By.CSS_SELECTOR, "h1, h2, h3, h4")]
    assert all(following - level <= 1 for level, following in pairwise(levels))


def test_charts_of_claims_are_named_in_words(browser: webdriver.Chrome, claims: Path) -> None:
    show(browser, claims)
    chart = browser.find_element(By.CSS_SELECTOR, "#experiment-kernels-validation-error-0")
    assert (chart.get_attribute("aria-label") or "").startswith(
        "validation error (%), mean with 95 % interval: two 3x3"
    )


def test_names_that_are_markup_run_nothing(browser: webdriver.Chrome, hostile: Path) -> None:
    show(browser, hostile)
    scripts, images, handlers = browser.execute_script(
        """return [document.scripts.length, document.images.length,
             [...document.querySelectorAll("*")].filter((element) =>
               [...element.attributes].some((attribute) => attribute.name.startsWith("on"))).length]"""
    )
    assert (scripts, images, handlers) == (3, 0, 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_charts_are_legible(browser: webdriver.Chrome, study: Path, scheme: str) -> None:
    show(browser, study, scheme=scheme)
    paper = colour_of(browser, "body", "backgroundColor")
    assert (luminance(paper) > 0.5) == (scheme == "light")
    for selector in ("body", "h1", ".note", "td.n", "thead button", "summary span"):
        assert contrast(colour_of(browser, selector, "color"), paper) >= 4.5, selector
    assert contrast(colour_of(browser, ".flag", "color"), colour_of(browser, ".flag", "backgroundColor")) >= 4.5
    for selector in (".chart .mark-text.role-mark text", ".chart .role-axis-label text"):
        assert contrast(colour_of(browser, selector, "fill"), paper) >= 4.5, selector


def test_charts_follow_a_change_of_colour_scheme(browser: webdriver.Chrome, study: Path) -> None:
    show(browser, study, scheme="light")
    label = ".chart .role-axis-label text"
    before = colour_of(browser, label, "fill")
    prefer(browser, "dark")
    wait_until_drawn(browser, "dark")
    assert colour_of(browser, label, "fill") != before
    assert entries(browser, "browser") == []


def test_pointing_at_a_network_shows_its_name_and_numbers(browser: webdriver.Chrome, study: Path) -> None:
    show(browser, study)
    points = browser.find_elements(By.CSS_SELECTOR, "#error-against-params-0 path[aria-label^='lenet-small: 11.86']")
    assert len(points) == 1
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", points[0])
    ActionChains(browser).move_to_element(points[0]).perform()
    tooltip = browser.find_element(By.ID, "vg-tooltip-element")
    WebDriverWait(browser, LONGEST_SECONDS, 0.05).until(lambda _: tooltip.is_displayed())
    for told in ("lenet-small", "test error", "11.86 ± 0.60 % (n = 3)", "61.7k", "417k", "62.0 s"):
        assert told in tooltip.text


def test_pointing_at_hostile_names_shows_them_as_text(browser: webdriver.Chrome, hostile: Path) -> None:
    show(browser, hostile)
    name = "</script><img src=x onerror=alert(1)>"
    point = next(
        element
        for element in browser.find_elements(By.CSS_SELECTOR, "#error-against-params-0 path[aria-label]")
        if (element.get_attribute("aria-label") or "").startswith(name)
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", point)
    ActionChains(browser).move_to_element(point).perform()
    tooltip = browser.find_element(By.ID, "vg-tooltip-element")
    WebDriverWait(browser, LONGEST_SECONDS, 0.05).until(lambda _: tooltip.is_displayed())
    assert name in tooltip.text
    assert tooltip.find_elements(By.CSS_SELECTOR, "img, script") == []


def test_a_heading_sorts_the_table_both_ways(browser: webdriver.Chrome, study: Path) -> None:
    show(browser, study)

    def names() -> list[str]:
        rows = browser.find_elements(By.CSS_SELECTOR, "table.sortable tbody th")
        return [str(row.get_attribute("data-sort")) for row in rows]

    assert names()[0] == "resnet-small"
    params = browser.find_element(By.XPATH, "//table[contains(@class, 'sortable')]//button[text()='Params']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", params)
    params.click()
    assert (names()[0], names()[-1]) == ("lenet-small", "alexnet-small")
    params.click()
    assert (names()[0], names()[-1]) == ("alexnet-small", "lenet-small")
    latency = browser.find_element(By.XPATH, "//table[contains(@class, 'sortable')]//button[text()='Latency, batch 1']")
    for _ in range(2):
        latency.click()
        assert names()[-1] == "googlenet-small"
    sorted_by = browser.find_elements(By.CSS_SELECTOR, "th[aria-sort]")
    assert [heading.text.replace("\n", " ") for heading in sorted_by] == ["Latency, batch 1"]
