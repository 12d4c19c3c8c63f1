import base64
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest
from report_records import (
    DATA,
    HOSTILE_NAMES,
    group,
    hostile_group,
    hostile_profiles,
    network,
    nine_networks,
    nine_profiles,
    profile,
)

from pipeline.cost.records import CostProfile
from pipeline.evidence.records import GroupRecord
from pipeline.reporting.comparison import compare
from pipeline.reporting.rendering import Section, render_html, render_markdown, sections_of


@dataclass
class Page(HTMLParser):
    """What a browser's parser would make of a page: its elements, and the text inside scripts, styles and the rest."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    inside: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag in ("script", "style"):
            (self.scripts if tag == "script" else self.styles).append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside == "style":
            self.styles[-1] += data
        else:
            self.text.append(data)


def html_of(groups: tuple[GroupRecord, ...], profiles: tuple[CostProfile, ...] = ()) -> str:
    return render_html(sections_of(compare(groups, profiles)))


def markdown_of(groups: tuple[GroupRecord, ...], profiles: tuple[CostProfile, ...] = ()) -> str:
    return render_markdown(sections_of(compare(groups, profiles)))


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


def words_of(html: str) -> str:
    return " ".join(" ".join(parsed(html).text).split())


@pytest.fixture(scope="module")
def study() -> tuple[Section, ...]:
    return sections_of(compare([nine_networks()], nine_profiles()))


@pytest.fixture(scope="module")
def study_html(study: tuple[Section, ...]) -> str:
    return render_html(study)


@pytest.fixture(scope="module")
def hostile_html() -> str:
    return html_of((hostile_group(),), hostile_profiles())


def test_the_headline_is_what_was_found(study_html: str) -> None:
    words = words_of(study_html)
    assert "resnet-small has the lowest test error: 7.18 %" in words
    assert "The intervals of densenet-small, resnext-small, vgg-small and googlenet-small overlap it" in words


def test_every_network_stands_in_the_table_with_its_exact_numbers(study_html: str) -> None:
    rows = re.findall(r'<th scope="row" data-sort="([^"]*)">', study_html)
    assert rows[0] == "resnet-small"
    assert rows[-1] == "nin-small"
    assert len(rows) == 9
    assert 'title="272,778 parameters">273k</td>' in study_html
    assert 'title="31,021,056 MACs">31.0M</td>' in study_html
    assert "1 of 3 seeds failed" in study_html
    assert "at chance level" in study_html


def test_what_was_run_is_told(study_html: str) -> None:
    words = words_of(study_html)
    for told in (
        "Example CPU @ 2.6 GHz, 2 cores, 16 GiB",
        "torch 2.14.0",
        "fashion-mnist from dataset-fashion-mnist: 10 classes, images of 1×28×28; 54,000 train",
        "Seeds 0, 1, 2",
        "epochs 12",
        "Seed 0: diverged: loss is NaN in epoch 2 (alexnet-small)",
    ):
        assert told in words


def test_the_page_has_only_its_own_scripts_and_style_and_allows_no_other(study_html: str) -> None:
    page = parsed(study_html)
    policy = next(attributes["content"] or "" for _, attributes in page.elements if "http-equiv" in attributes)
    charts, library, own = page.scripts
    json.loads(charts)
    for source, directive in ((library, "script-src"), (own, "script-src"), (page.styles[0], "style-src")):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in next(part for part in policy.split("; ") if part.startswith(directive))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert len(page.styles) == 1


def test_the_page_refers_to_nothing_outside_itself(study_html: str) -> None:
    for _, attributes in parsed(study_html).elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith("#")


def test_hostile_names_add_no_element_no_attribute_and_no_script(study_html: str, hostile_html: str) -> None:
    benign, hostile = parsed(study_html), parsed(hostile_html)
    known = {(tag, name) for tag, attributes in benign.elements for name in attributes}
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in benign.elements}
    assert {(tag, name) for tag, attributes in hostile.elements for name in attributes} <= known
    assert not [name for _, name in known if name.startswith("on") or name == "style"]
    assert hostile.scripts[1:] == benign.scripts[1:]
    assert hostile.styles == benign.styles


def test_hostile_names_are_shown_as_they_are(hostile_html: str) -> None:
    words = words_of(hostile_html)
    for name in HOSTILE_NAMES:
        assert " ".join(name.split()) in words


def test_hostile_names_survive_in_the_charts_data_as_data(hostile_html: str) -> None:
    text = parsed(hostile_html).scripts[0]
    assert "<" not in text
    figures = json.loads(text)["figures"]
    assert {row["name"] for row in figures[0]["rows"]} >= {"<script>alert(1)</script>", "{{7*7}}", "=cmd()"}


def unfinished() -> GroupRecord:
    """Networks that lack what a report would like to have."""
    bare = network("bare", tested=False, seeds=1)
    no_rates = replace(network("given-rate", error=8), rates=(), train_seconds=None)
    return group((network("dead", seeds=2, failed=2), bare, no_rates))


@pytest.mark.parametrize(
    ("groups", "profiles", "told"),
    [
        ((unfinished(),), (), "given-rate has the lowest test error"),
        ((group((network("dead", failed=3),)),), (), "No network learned anything yet"),
        ((group((network("idle", error=90),)),), (), "No network learned anything yet"),
        ((group(()),), (profile(),), "No network learned anything yet"),
        ((), (profile(), profile("other", latency=None)), "2 networks with cost profiles, none trained"),
        ((group((network("one", seeds=1, epochs=1),)),), (), "its lead proves nothing yet"),
        ((group((network("one", tested=False),)),), (profile("one"),), "one has the lowest validation error: 6.90 %"),
    ],
)
def test_a_report_is_written_whatever_is_missing(
    groups: tuple[GroupRecord, ...], profiles: tuple[CostProfile, ...], told: str
) -> None:
    assert told in words_of(html_of(groups, profiles))
    assert told in markdown_of(groups, profiles)


def test_data_sets_are_reported_apart() -> None:
    other = group((network("b", error=9),), "other", replace(DATA, name="other-data", fingerprint="0" * 20))
    html = html_of((group((network("a"),)), other))
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))
    assert "a has the lowest error on fashion-mnist; b has the lowest error on other-data" in words_of(html)
    assert "comparison-2-error-against-macs-0" in identifiers


def test_markdown_states_the_same_findings(study: tuple[Section, ...]) -> None:
    text = render_markdown(study)
    assert text.startswith("# resnet-small has the lowest test error: 7.18 %\n")
    assert (
        "![Test error against MACs, networks on the front first: resnet-small 7.18 ± 0.36 % (n = 3), on the front; "
        in text
    )
    assert "](figures/error-against-macs.png)" in text
    assert "| resnet-small | 7.18 | 6.82 to 7.54 | 6.90 | 6.55 to 7.25 | 3 | 273k | 31.0M |" in text
    assert "\n\n\n\n" not in text


def test_hostile_names_break_no_markdown_table_and_add_no_markup() -> None:
    text = markdown_of((hostile_group(),), hostile_profiles())
    tags = set(re.findall(r"<[^>]*>", text))
    assert tags == {"<details>", "</details>", "<summary>", "</summary>"}
    tables: list[set[int]] = []
    for before, line in zip(["", *text.splitlines()], text.splitlines(), strict=False):
        if line.startswith("|"):
            columns = len(re.findall(r"(?<!\\)\|", line))
            if before.startswith("|"):
                tables[-1].add(columns)
            else:
                tables.append({columns})
    assert len(tables) > 10
    assert all(len(columns) == 1 for columns in tables)
    prose = re.sub("<summary>.*</summary>", "", text)  # an HTML block, where Markdown's characters mean nothing
    assert "](javascript" not in prose.replace(r"\](javascript", "")
