"""Verdicts on claims in the report: all of them told, drawn, and answered for."""

import json
import re
from dataclasses import replace
from pathlib import Path

import altair as alt
import pytest
from claim_records import catalogue, evidence, experiment_record, judged, words
from report_records import HOSTILE_NAMES, group, network, write_results

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.claim_records import judged_evidence
from pipeline.claims.judging import judge
from pipeline.errors import UsageError
from pipeline.files import read_json, write_json
from pipeline.reporting.claims.view import ClaimsView, claims_view
from pipeline.reporting.comparison import compare
from pipeline.reporting.rendering import render_html, render_markdown, sections_of
from pipeline.reporting.report import write_report
from pipeline.schema import to_json
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[2]
COMPARISONS = compare([group((network(),))], [])
NETWORKS = sections_of(COMPARISONS)
HOSTILE = "".join(name for name in HOSTILE_NAMES if "\n" not in name)


@pytest.fixture(scope="module")
def claims() -> ClaimsView:
    return judged(COMPARISONS)


@pytest.fixture(scope="module")
def page(claims: ClaimsView) -> str:
    return render_html(NETWORKS, (), claims)


@pytest.fixture(scope="module")
def text(claims: ClaimsView) -> str:
    return render_markdown(NETWORKS, (), claims)


def body_of(page: str) -> str:
    return page[page.index("<body>") : page.index('<script type="application/json"')]


def section_of(page: str, claim: str) -> str:
    start = page.index(f'<section id="claim-{claim}"')
    return page[start : page.index("</section>", start)]


def test_the_verdicts_are_those_that_were_planted(claims: ClaimsView) -> None:
    found = {view.verdict.id: view.verdict.verdict for view in claims.claims}
    assert found == {
        "A1": "holds in part", "V4": "undecided", "V5": "holds", "X3": "holds", "P1": "holds", "P5": "holds",
    }  # fmt: skip
    assert [part.verdict.verdict for part in claims.claims[1].parts] == ["holds", "undecided"]


def test_the_headline_counts_them(page: str, text: str) -> None:
    assert "<h1>4 of 6 claims hold, 1 is undecided</h1>" in page
    assert text.startswith("# 4 of 6 claims hold, 1 is undecided\n")
    assert "resnet-small has the lowest test error" in words(body_of(page))


def test_the_table_has_every_claim_under_its_theme_with_a_way_to_its_section(page: str, claims: ClaimsView) -> None:
    table = page[page.index('<table class="verdicts"') : page.index("</table>", page.index('<table class="verdicts"'))]
    themes = re.findall(r'<th scope="rowgroup"[^>]*>([^<]*)</th>', table)
    assert themes == ["Depth", "Width", "Cost", "Design spaces"]
    for view in claims.claims:
        assert f'<a href="#{view.anchor}">{view.verdict.id}</a>' in table
        assert f'<section id="{view.anchor}"' in page
    assert table.count("<svg") == sum(part.drawn is not None for view in claims.claims for part in view.parts) == 6
    assert table.count("◆ primary") == 1


def test_effects_stand_with_unit_interval_and_repeats(page: str, text: str) -> None:
    for told in (words(body_of(page)), text):
        assert "−2.12 points" in told
        assert "0.503 times" in told
        assert "5 seeds" in told and "4 rounds" in told and "networks of each population" in told
        assert "no evidence yet" in told.lower()
        assert "hidden dense: 2; claimed: 3" in told or "hidden dense 2 3 no" in told


def test_a_section_tells_what_was_compared_and_held_equal(page: str) -> None:
    told = words(section_of(page, "v4"))
    for fact in (
        "two 3x3 vgg 10.0k 400k 0.1 5",
        "MACs within 2 % of their mean (400k)",
        "Network of all arms vgg depths [2, 2], kernel 3",
        "Seeds 1 to 5, the same for all arms",
        "Rule: difference (below 0 expected, margin 0.5 points)",
        "An interval that reaches 0. Distance: ",
        "These results have no record of it. To make one: convstudy experiment absent",
        "Source: VGG",
    ):
        assert fact in told, fact


def test_what_stands_beside_a_claim_is_told_with_what_it_is_worth(page: str, text: str) -> None:
    section = words(section_of(page, "v4"))
    assert "For information Layers: 8" in section and "Error of two 3x3: 9.94 % (" in section and "n = 5)" in section
    assert "Not judged; intervals are not adjusted" in section
    assert "- For information, not judged: error of two 3x3: 9.94 % (" in text


def test_a_section_tells_of_trainings_that_failed() -> None:
    told = words(section_of(render_html(NETWORKS, (), judged(COMPARISONS, failed=True)), "v4"))
    for fact in (
        "two 3x3 vgg 10.0k 400k 0.1 4 1 ",
        "1 failed training)",
        "Not drawn: 1 of two 3x3 without a value",
    ):
        assert fact in told, fact


def test_calculated_parts_show_each_figure_beside_what_is_said_of_it(page: str) -> None:
    told = words(section_of(page, "a1"))
    assert "layers 8 8 yes hidden dense 2 3 no" in told
    assert "It would hold with hidden dense 3 instead of 2." in told


def test_a_chart_is_drawn_once_and_linked_from_other_claims(page: str, claims: ClaimsView) -> None:
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    chart = "experiment-kernels-validation-error-0"
    assert identifiers.count(chart) == 1 and f'<a href="#{chart}">drawn under V4</a>' in page
    assert {figure.identifier for figure in claims.figures} == {
        "experiment-kernels-validation-error", "timing-steps-training-step", "timing-steps-inference",
        "experiment-spaces-wide-free", "ranking-short-full",
    }  # fmt: skip


def test_charts_obey_the_schema_show_every_seed_and_tell_it_in_words(claims: ClaimsView) -> None:
    figures = {figure.identifier: figure for figure in claims.figures}
    for figure in claims.figures:
        alt.LayerChart.from_dict(figure.specifications[0], validate=True)
        assert figure.png().startswith(b"\x89PNG")
        json.dumps(figure.rows, allow_nan=False)
        assert figure.description
    rows = figures["experiment-kernels-validation-error"].rows
    errors = [10.0, 10.2, 9.9, 9.9, 9.7, 12.0, 12.2, 11.9, 12.1, 12.1]
    assert [row["x"] for row in rows if row["kind"] == "seed"] == errors
    assert "two 3x3 9.94 (9.714 to 10.17, n = 5)" in figures["experiment-kernels-validation-error"].description
    spaces = figures["experiment-spaces-wide-free"]
    assert len(spaces.rows) == 16 and spaces.omitted == ("1 of free that failed",)
    assert max(row["y"] for row in spaces.rows if row["kind"] == "free") == pytest.approx(8 / 9)


def test_an_arm_that_never_trained_is_left_out_with_its_reason() -> None:
    found = evidence()
    kernels = experiment_record("kernels", {"two 3x3": (None, None), "one 5x5": (12.0, 12.2)})
    found = replace(found, experiments={**found.experiments, "kernels": kernels})
    claims = catalogue()
    view = claims_view(claims, judge(claims, found), found, (), None, "")
    figure = next(figure for figure in view.figures if figure.identifier == "experiment-kernels-validation-error")
    assert {row["arm"] for row in figure.rows} == {"one 5x5"} and figure.omitted == ("2 of two 3x3 without a value",)
    assert "simulated studies" not in render_html(NETWORKS, (), view)


def test_the_rule_is_told_with_what_it_does_where_the_truth_is_known(page: str, text: str) -> None:
    for told in (words(body_of(page)), text):
        assert "600 simulated studies" in told and "4.3 %" in told and "2.1 %" in told and "81.5 %" in told
    assert "skewed 5 94.1 83.7 2,000" in words(body_of(page))
    assert "| skewed | 5 | 94.1 | 83.7 | 2,000 |" in text


def test_intervals_of_primary_parts_are_told_beside_what_they_were_planned_for(page: str, text: str) -> None:
    assert "V4 error 0.5 points 0.22 points 5 seeds yes" in words(page)
    assert "| V4 | error  | 0.5 points | 0.22 points | 5 seeds | yes |" in text
    assert "| V4 | no record | 0.5 points | no evidence yet |  |  |" in text


def test_the_checklist_has_fourteen_answers_and_its_links_lead_somewhere(page: str, text: str) -> None:
    listed = page[page.index('<ol class="checklist">') : page.index("</ol>", page.index('<ol class="checklist">'))]
    assert listed.count("<li>") == 14
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == 14
    for target in re.findall(r'href="([^"]+)"', body_of(page)):
        if target.startswith("#"):
            assert f'id="{target[1:]}"' in page, target
        else:
            assert (CHECKOUT / target.removeprefix("../../")).exists(), target
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in text.splitlines()}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif target.startswith("/"):
            assert (CHECKOUT / target[1:]).exists(), target


def test_names_in_claims_stay_text(page: str) -> None:
    view = judged(COMPARISONS, HOSTILE)
    hostile, text = render_html(NETWORKS, (), view), render_markdown(NETWORKS, (), view)
    tags = re.compile(r"<([a-z0-9]+)")
    assert set(tags.findall(hostile)) == set(tags.findall(page))
    assert "49" not in HOSTILE and "<script>alert" not in text and "<img" not in text
    tables = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| [V4]")]
    assert tables == [9]


def test_interval_drawings_are_turned_so_that_the_right_is_as_the_source_says(claims: ClaimsView) -> None:
    drawn = claims.claims[2].parts[0].drawn
    assert drawn is not None and drawn.effect == pytest.approx(2 * 2.075, abs=0.3)
    assert drawn.low < drawn.effect < drawn.high
    assert drawn.runs_out == (False, True) and drawn.shown == (drawn.effect <= 4)
    faster = claims.claims[3].parts[0].drawn
    assert faster is not None and faster.low > 4 and not faster.shown and faster.places == (1, 1, 1)


def test_verdicts_on_other_claims_are_refused() -> None:
    claims = catalogue()
    verdicts = judge(claims, evidence())
    with pytest.raises(UsageError, match="V4 differs; judge again"):
        claims_view(claims, [verdict for verdict in verdicts if verdict.id != "V4"], evidence(), (), None, "")


def write_claims(workspace: Workspace, results: Path, found: Catalogue) -> None:
    """What the stages `experiment`, `timing` and `judge` leave."""
    for kind, records in (("experiments", evidence().experiments), ("timings", evidence().timings)):
        for name, record in records.items():
            write_json(results / kind / f"{name}.json", to_json(record))
    write_json(results / "claims.json", to_json(judge(found, judged_evidence(workspace, results, found))))


def test_the_stage_writes_verdicts_where_claims_were_judged(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    results = write_results(workspace.root / "reports" / "brought", (group((network(),)),), ())
    write_report(results, workspace)
    before = (results / "report.html").read_bytes()
    assert b'<section id="verdicts"' not in before
    write_json(workspace.root / "reports" / "claims.yaml", to_json(catalogue()))  # YAML holds JSON
    write_claims(workspace, results, catalogue())
    write_report(results, workspace)
    page, text = (results / "report.html").read_text(), (results / "REPORT.md").read_text()
    assert "<h1>3 of 6 claims hold" in page and 'href="../../params.yaml"' in page
    assert (results / "figures" / "experiment-kernels-validation-error.png").is_file()
    named = set(re.findall(r"\]\((figures/[^)]+)\)", text))
    assert all((results / name).is_file() for name in named) and len(named) == 4 + 5
    record = results / "experiments" / "kernels.json"
    kept = record.read_bytes()
    write_json(record, to_json(evidence(failed=True).experiments["kernels"]))
    with pytest.raises(UsageError, match=r"claims.json does not match the current claims and records; judge again"):
        write_report(results, workspace)
    assert (results / "report.html").read_text() == page
    record.write_bytes(kept)
    verdicts = read_json(results / "claims.json")
    estimated = next(part for claim in verdicts for part in claim["parts"] if part["interval"])
    estimated["effect"] *= 1 + 1e-12  # as another processor rounds
    write_json(results / "claims.json", verdicts)
    write_report(results, workspace)
    estimated["effect"] *= 1.001
    write_json(results / "claims.json", verdicts)
    with pytest.raises(UsageError, match="judge again"):
        write_report(results, workspace)
    (results / "claims.json").unlink()
    write_report(results, workspace)
    assert (results / "report.html").read_bytes() == before
    assert not (results / "figures" / "experiment-kernels-validation-error.png").exists()
