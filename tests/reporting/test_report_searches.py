"""Searches in the report: figures that obey their schema, words that say what the intervals allow, harmless names."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair as alt
import pytest
from report_records import group, network, write_results
from search_records import (
    HOSTILE,
    edited,
    ended,
    finalists_record,
    plan,
    study_record,
    trials_json,
    write_study,
)

from pipeline.cost.limits import Limits
from pipeline.evidence.study_records import Rung, StudyRecord, Trial
from pipeline.reporting.charts.searches import edf_figure, study_figures
from pipeline.reporting.comparison import compare
from pipeline.reporting.rendering import render_html, render_markdown, sections_of, study_sections
from pipeline.reporting.report import write_report
from pipeline.reporting.searches.view import StudyView
from pipeline.search.pareto import hypervolume
from pipeline.search.summary import bounds_of, hypervolumes
from pipeline.search.tables import tabulate
from search_spaces import space as search_space

NETWORKS = sections_of(compare([group((network(),))], []))


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    return study_record()


def test_figures_obey_the_schema_and_hold_every_network(record: StudyRecord) -> None:
    figures = study_figures(StudyView("search-1", record, finalists_record(record)))
    assert [figure.identifier for figure in figures] == [
        "search-1-front", "search-1-course", "search-1-edf", "search-1-parallel",
    ]  # fmt: skip
    for figure in figures:
        alt.LayerChart.from_dict(figure.specifications[0], validate=True)
        assert figure.png().startswith(b"\x89PNG")
        json.dumps(figure.rows, allow_nan=False)
    kinds = {row["kind"] for row in figures[0].rows}
    assert kinds == {"trained in the search", "front of the search", "front, retrained", "reference", "random search"}
    assert sum(row["order"] == 0 for row in figures[0].rows) == 13  # every third of 40, the failed one apart
    assert {row["kind"] for row in figures[1].rows} == {"search", "random search"}


def test_the_words_say_what_the_record_says(record: StudyRecord) -> None:
    sections = study_sections([record], {record.study: finalists_record(record)})
    assert len(sections) == 1
    for text in (render_html(NETWORKS, sections), render_markdown(NETWORKS, sections)):
        told = " ".join(text.split())
        assert "40 networks" in told and "13 complete" in told and "26 stopped" in told and "1 failed" in told
        assert "-1.20" in told and "resnet-small" in told and "undecided" in told and "A reason." in told
    assert "<strong>better</strong>" in render_html(NETWORKS, sections)


def test_names_in_a_study_stay_text(record: StudyRecord) -> None:
    sections = study_sections([record], {record.study: finalists_record(record)})
    page, text = render_html(NETWORKS, sections), render_markdown(NETWORKS, sections)
    assert HOSTILE not in page and "alert(1)" in page and "<script>alert" not in text and "49" not in HOSTILE


def test_a_study_without_a_complete_trial_is_reported_as_such() -> None:
    record = study_record(count=3)
    stopped = [{**trial, "state": "stopped"} for trial in trials_json(record)]
    started = edited(record, trials=stopped, front=[], hypervolume=[0.0] * 3)
    sections = study_sections([started], {})
    assert sections[0].figures == () and sections[0].importances == {}
    assert "No network was trained in full" in render_html(NETWORKS, sections)


def test_the_stage_writes_studies_beside_networks(tmp_path: Path, record: StudyRecord) -> None:
    results = write_results(tmp_path, (group((network(),)),), ())
    write_study(results, record)
    write_report(results)
    written = {path.name for path in (results / "figures").glob("search-1-*.png")}
    assert written == {"search-1-front.png", "search-1-course.png", "search-1-edf.png", "search-1-parallel.png"}
    text = (results / "REPORT.md").read_text()
    assert "## Search: resnet on fashion-mnist" in text
    assert all(f"figures/{name}" in text for name in written)


def test_a_folder_with_searches_alone_is_reported(tmp_path: Path, record: StudyRecord) -> None:
    write_study(tmp_path, record)
    write_report(tmp_path)
    title = "Search: resnet on fashion-mnist"
    assert (tmp_path / "REPORT.md").read_text().lstrip().startswith(f"# {title}\n")
    assert f"<h1>{title}</h1>" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "figures" / "search-1-front.png").exists()


@pytest.mark.parametrize(
    ("errors", "guessing", "note"),
    [
        ((90.0, 88.0, 87.5), None, "all are no better than guessing (an error of 87.15 % or more)"),
        ((45.0, 42.0, 41.0), 40.0, "all are no better than guessing (an error of 40.00 % or more)"),  # unbalanced
        ((90.0, 30.0, 20.0), None, "1 of the 3 networks of the front are no better than guessing"),
        ((80.0, 30.0, 20.0), 90.0, None),
    ],
)
def test_a_front_no_better_than_guessing_says_so_everywhere(
    record: StudyRecord, errors: tuple[float, ...], guessing: float | None, note: str | None
) -> None:
    cheapest_first = sorted(trials_json(record), key=lambda trial: float(trial["macs"]))[: len(errors)]
    trials = [ended(trial, error) for trial, error in zip(cheapest_first, errors, strict=True)]
    front = [trial["number"] for trial in trials]
    found = edited(record, trials=trials, front=front, hypervolume=[0.0] * 3, guessing_error_percent=guessing)
    sections = study_sections([found], {})
    places = (
        tabulate(found).splitlines()[-1],
        render_html((), sections),
        " ".join(render_markdown((), sections).split()),
    )
    for place in places:
        assert (note in place) if note else ("guessing (" not in place)


def test_importance_and_traits_find_what_was_planted(record: StudyRecord) -> None:
    trials = [
        ended(trial, (10.0 if trial["values"]["resnet.stem"] == "pooled" else 40.0) + trial["number"] / 100)
        for trial in trials_json(record)
    ]
    view = StudyView("search-1", edited(record, trials=trials))
    importances = view.importances()
    assert max(importances, key=lambda name: importances[name]) == "resnet.stem"
    assert ("stem", "pooled", 1.0) in {(t.parameter, t.value, t.best_share) for t in view.traits()}


def test_errors_that_are_all_alike_and_spaces_that_have_changed_break_no_report(record: StudyRecord) -> None:
    alike = edited(record, trials=[ended(trial, 90.0) for trial in trials_json(record)])
    elsewhere = {"resnet.stem": "a stem that is no more"}
    changed = edited(
        record, trials=[{**trial, "values": {**trial["values"], **elsewhere}} for trial in trials_json(record)]
    )
    unknown = edited(record, space=["a family that is no more"])
    for one in (alike, changed, unknown):
        (section,) = study_sections([one], {})
        assert section.importances == {} and "front" in section.figures[0].identifier
        assert any("parallel" in figure.identifier for figure in section.figures) == (one is alike)
        assert render_html(NETWORKS, [section]) and render_markdown(NETWORKS, [section])


def test_charts_of_a_search_say_in_words_what_they_show(record: StudyRecord) -> None:
    front, course, *_ = study_figures(StudyView("search-1", record, finalists_record(record)))
    assert front.description.startswith(f"{front.title}. Trial ")
    assert ", on the front: " in front.description
    assert "; resnet-small, a reference: 14.00 % (n = 4) at 2.637M; random search, trial" in front.description
    assert "random search: from 30.00 % to 14.00 % after 90.0k images" in course.description
    assert {"random search: 30.00 %, 9.00k", "random search: 14.00 %, 90.0k"} <= {row["told"] for row in course.rows}


def test_networks_that_diverged_stay_in_the_distribution_of_errors(record: StudyRecord) -> None:
    trials = trials_json(record)
    for trial in trials[:4]:
        trial |= {"rungs": [], "state": "failed", "reason": "diverged: loss is nan"}
    trials[4] |= {"rungs": [], "state": "failed", "reason": "worker hung"}
    figure = edf_figure(StudyView("search-1", edited(record, trials=trials)))
    assert figure is not None  # one more diverged in the record itself
    assert figure.title.endswith(" of 39 networks drawn at random within the limits; 5 diverged")
    assert max(row["y"] for row in figure.rows) == pytest.approx(34 / 39)


def test_a_trial_adds_to_the_hypervolume_when_it_has_been_trained_in_full() -> None:
    """Four count in turn, the second one diverged; the first goes on after the third, and ends before the fourth."""
    halving = replace(plan(), rungs=(1, 9), reduction=2)
    begun = Trial(0, {}, {}, {"macs": 1_000_000}, "run", state="stopped")
    trials = [
        replace(begun, counted_at=1, state="complete", rungs=(Rung(1, 30.0, 1), Rung(9, 10.0, 3))),
        replace(begun, counted_at=2, state="failed", reason="diverged: loss is nan"),
        replace(begun, counted_at=3, rungs=(Rung(1, 40.0, 2),)),
        replace(begun, counted_at=4, rungs=(Rung(1, 50.0, 4),)),
    ]
    first, second, third, fourth = hypervolumes(halving, trials, bounds_of(halving, trials))
    assert (first, second) == (0, 0) and third == fourth > 0


def test_hypervolume_of_a_record_is_that_of_its_front(record: StudyRecord) -> None:
    trials = {trial["number"]: trial for trial in trials_json(record)}
    bounds = bounds_of(plan(), [])
    points = [
        bounds.scaled([trials[n]["validation_error_percent"], math.log10(trials[n]["macs"])]) for n in record.front
    ]
    assert record.hypervolume[-1] == pytest.approx(hypervolume(points, [1, 1]))
    assert bounds.least == pytest.approx([0.0, math.log10(323_328)])
    assert bounds.most == pytest.approx([90.0, math.log10(5_000_000)])
    assert bounds_of(replace(plan(), limits=Limits(macs=10**9)), []).most[1] == pytest.approx(9.0)
    assert sorted(trials) == list(range(40))
    assert sum(trial["train_seconds"] for trial in trials.values()) == record.compute.train_seconds == 400


def test_the_course_counts_a_network_when_it_came_to_its_end() -> None:
    """Trial 0 was promoted after trial 1 had been trained in full: 1 + 9 epochs were spent before it, 18 after."""
    record = study_record(count=3)
    trials = trials_json(record)[:2]
    for trial, arrivals, error in zip(trials, ((1, 5, 6), (2, 3, 4)), (10.0, 20.0), strict=True):
        rungs = [
            {"epochs": epochs, "validation_error_percent": error, "arrival": arrival}
            for epochs, arrival in zip((1, 3, 9), arrivals, strict=True)
        ]
        trial |= {
            "state": "complete", "rungs": rungs, "validation_error_percent": error, "train_images_seen": 9 * 6400,
        }  # fmt: skip

    def course(trials: list[dict[str, Any]]) -> list[tuple[int, float]]:
        return StudyView("search-1", edited(record, trials=trials)).course()

    assert course(trials) == [(10 * 6400, 20.0), (18 * 6400, 10.0)]
    trials[1] |= {"train_images_seen": 9 * 6400, "epochs_seen": 9}
    early, late = json.loads(json.dumps(trials))
    early |= {"number": 2, "rungs": [], "state": "failed", "epochs_seen": 2, "train_images_seen": 2 * 6400}
    late |= {"number": 3, "state": "failed", "epochs_seen": 5, "train_images_seen": 5 * 6400}
    late["rungs"] = [{"epochs": 1, "validation_error_percent": 50.0, "arrival": 3}]
    counted = course([*trials, early, late])  # what failed before is in the compute, as in a random search's
    assert counted == [(17 * 6400, 20.0), (25 * 6400, 10.0)]
    del trials[0]["rungs"][0]["arrival"]
    assert course(trials) == []


def test_a_search_for_another_cost_is_drawn_and_tabulated_against_it() -> None:
    record = study_record()
    trials = [{**trial, "latency_seconds": 0.001 * (1 + trial["number"])} for trial in trials_json(record)]
    record = edited(record, objectives=["error", "latency"], trials=trials)
    view = StudyView("search-1", record, finalists_record(record))
    front = study_figures(view)[0]
    assert front.title.startswith("Error against seconds an image")
    assert {row["x"] for row in front.rows} <= {trial["latency_seconds"] for trial in trials}
    assert "reference" not in {row["kind"] for row in front.rows}  # its latency is not known
    sections = study_sections([record], {})
    best = record.front_trials[0].number
    for text in (render_html(NETWORKS, sections), render_markdown(NETWORKS, sections)):
        assert "econds an image" in text and f"{1 + best} ms" in text


def test_parameters_that_a_network_does_not_have_are_not_drawn(record: StudyRecord) -> None:
    parallel = study_figures(StudyView("search-1", record))[3]
    space = search_space(record.space)
    for trial in record.trials:
        has = {name.partition(".")[2] for name in space.asked(trial.values)}
        assert {row["x"] for row in parallel.rows if row["trial"] == trial.number} <= has
