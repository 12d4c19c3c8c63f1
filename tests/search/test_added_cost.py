"""A cost that is added by one row and one function: its option, limit, gate, record, tables and hypervolume follow."""

import importlib
import io
import json
import math
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest
import typer
from conftest import CHECKOUT
from table_search import TableExecutor

import search_spaces
from pipeline.cost.limits import NO_LIMITS, Limits
from pipeline.cost.table import BYTES, COSTS, Conditions, Cost
from pipeline.errors import UsageError
from pipeline.evidence.study_records import SearchPlan, StudyRecord
from pipeline.files import read_json
from pipeline.reporting.charts.searches import front_figure
from pipeline.reporting.rendering import render_html, sections_of, study_sections
from pipeline.reporting.report import read_published
from pipeline.reporting.searches.view import StudyView
from pipeline.running.executors import EXECUTORS
from pipeline.schema import parse, to_json
from pipeline.search.plans import default_name
from pipeline.tracking.mirror import Mirror
from pipeline.verbs import searches
from pipeline.workspace import Workspace
from search_spaces import Design, Price


def counted_bytes(price: Price) -> int:
    return 4 * price.params


def measured_bytes(design: Design, at: Conditions) -> int:
    """The same, of the network itself."""
    network = search_spaces.instantiate(design.family, design.config, at.resolution, at.channels, at.classes, "meta")
    return sum(weights.numel() * weights.element_size() for weights in network.parameters())


ROWS = {
    "counted": Cost("weight_bytes", "weights", "bytes of weights", BYTES, count=counted_bytes),
    "measured": Cost("weight_bytes", "weights", "bytes of weights", BYTES, measure=measured_bytes),
}
OPTIONS = (
    "--epochs", "9", "--train-images", "512", "--max-macs", "2M", "--workers", "1", "--seed", "3",
    "--executor", "table", "--quiet",
)  # fmt: skip
MOST = 300_000


@pytest.fixture(params=ROWS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The cost is in the table before the verbs are made; trainings are looked up."""
    monkeypatch.setitem(COSTS, "weight_bytes", ROWS[request.param])
    monkeypatch.setitem(EXECUTORS, "table", lambda device, workers: TableExecutor(workers or 1))
    monkeypatch.setattr("pipeline.running.open_runner._open_mirror", lambda workspace, _: Mirror.off(workspace.mlflow))
    importlib.reload(searches)
    yield request.param
    monkeypatch.undo()
    importlib.reload(searches)


def called(*arguments: str) -> str:
    app, output = typer.Typer(), io.StringIO()
    for verb in (searches.search, searches.status):
        app.command()(verb)
    with redirect_stdout(output):
        app(list(arguments), standalone_mode=False)
    return output.getvalue()


def test_a_search_minimises_and_limits_a_cost_that_was_added(study: Workspace, kind: str) -> None:
    search = ("search", "lenet", "--trials", "12", "--fidelity", "full", *OPTIONS, "--study", "light")
    record = json.loads(called(*search, "--objectives", "error,weights", "--max-weights", "0.3M", "--json", "-"))
    assert record["objectives"] == ["error", "weights"]
    assert record["limits"] == {"macs": 2_000_000, "weight_bytes": MOST} and record["counted"] == 12
    assert all(trial["weight_bytes"] == 4 * trial["params"] <= MOST for trial in record["trials"])
    assert record["refused"] > 0
    complete = {
        trial["number"]: (trial["validation_error_percent"], trial["weight_bytes"])
        for trial in record["trials"]
        if trial["state"] == "complete"
    }
    best = {
        number
        for number, (error, size) in complete.items()
        if not any(e <= error and s <= size and (e, s) != (error, size) for e, s in complete.values())
    }
    assert set(record["front"]) == best and len(complete) > len(best) > 0
    assert record["hypervolume"][-1] == pytest.approx(volume([complete[n] for n in best], smallest(record, kind)))
    check_what_is_shown(record, called("status", "light"))


def smallest(record: dict[str, Any], kind: str) -> float:
    """The smallest that the space has, or that was measured."""
    if kind == "measured":
        return float(min(trial["weight_bytes"] for trial in record["trials"]))
    family = search_spaces.family("lenet")
    space = search_spaces.space(["lenet"])
    return 4 * space.least(lambda design: search_spaces.price(family, design.config, 28).params)[1]


def volume(front: list[tuple[float, int]], least: float) -> float:
    """The area that a front of (error in percent, bytes) dominates, one stair after another, in the scaled plane."""
    span = math.log10(MOST) - math.log10(least)
    stairs = sorted((error / 90, (math.log10(size) - math.log10(least)) / span) for error, size in front)
    ends = [error for error, _ in stairs[1:]] + [1.0]
    return sum((end - error) * (1 - size) for (error, size), end in zip(stairs, ends, strict=True))


def check_what_is_shown(record: dict[str, Any], table: str) -> None:
    """In the terminal, in the report and in its chart."""
    read = parse(StudyRecord, record, "record")
    best = read.front_trials[0]
    shown = BYTES.show(best.costs["weight_bytes"])
    _, head, first, *_ = table.splitlines()
    assert head.split() == ["trial", "error", "%", "weight_bytes", "network"]
    assert first.split()[:4] == [str(best.number), f"{best.errors[-1]:.2f}", *shown.split()]
    figure = front_figure(StudyView("search-1", read))
    assert figure is not None and figure.title.startswith("Error against bytes of weights")
    assert {row["x"] for row in figure.rows} <= {trial["weight_bytes"] for trial in record["trials"]}
    networks = sections_of([read_published(CHECKOUT / "reports" / "published" / "quick")])
    page = render_html(networks, study_sections([read], {}))
    assert "Bytes of weights</th>" in page and shown in page and "bytes of weights 0.286 MiB" in page


def test_limits_on_an_added_cost_are_read_and_refused_by_its_row(study: Workspace, kind: str) -> None:
    def refused(*arguments: str) -> str:
        with pytest.raises(UsageError) as raised:
            called("search", "lenet", "--trials", "2", *OPTIONS, *arguments)
        return str(raised.value)

    assert "--max-weights (=40X) must be a number" in refused("--max-weights", "40X")
    none = refused("--max-weights", "100")
    assert "no network of lenet was found within the limits (weight_bytes 100 bytes); the cheapest has macs" in none
    assert "did you mean 'weights'" in refused("--objectives", "error,weight")
    assert parse(Limits, {"weight_bytes": MOST}, "limits").given == {"weight_bytes": MOST}


def test_studies_without_the_added_cost_keep_their_names(kind: str) -> None:
    record = read_json(CHECKOUT / "reports" / "published" / "quick" / "studies" / "resnet.json")
    assert default_name(parse(SearchPlan, record["plan"], "plan")) == record["study"]
    assert "weight_bytes" not in to_json(NO_LIMITS)
    assert to_json(Limits(weight_bytes=5))["weight_bytes"] == 5
