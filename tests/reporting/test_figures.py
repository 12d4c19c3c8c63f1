import itertools
import json
import re
from typing import Literal

import altair as alt
import numpy as np
import pytest
import vl_convert
from numpy.typing import NDArray
from report_records import HOSTILE_NAMES, group, hostile_group, network, nine_networks, nine_profiles

from pipeline.reporting.charts.chart import BACKGROUNDS, FAMILY_ORDER, PALETTES, Figure, family_domain
from pipeline.reporting.charts.layout import place_labels, scale_of
from pipeline.reporting.charts.networks import error_against, figures_of, learning_curves
from pipeline.reporting.comparison import COST_AXES, Comparison, compare

MACS, PARAMS, SECONDS = COST_AXES


@pytest.fixture(scope="module")
def study() -> Comparison:
    return compare([nine_networks()], nine_profiles())[0]


@pytest.fixture(scope="module")
def figures(study: Comparison) -> tuple[Figure, ...]:
    return figures_of(study)


def test_a_study_has_three_scatter_plots_and_two_sets_of_curves(figures: tuple[Figure, ...]) -> None:
    assert [(figure.identifier, len(figure.specifications)) for figure in figures] == [
        ("error-against-macs", 1),
        ("error-against-params", 1),
        ("error-against-train-seconds", 1),
        ("learning-curves-error", 9),
        ("learning-curves-loss", 9),
    ]


def test_points_are_the_means_and_intervals_of_the_records(study: Comparison, figures: tuple[Figure, ...]) -> None:
    rows = {row["name"]: row for row in figures[0].rows}
    for member in study.networks:
        error = study.error(member)
        assert error is not None
        if member.label == "nin-small":
            continue
        row = rows[member.label]
        assert (row["x"], row["y"]) == (member.macs, error.mean)
        assert (row["low"], row["high"]) == (error.interval or (None, None))
    assert {name for name, row in rows.items() if row["front"]} == {member.label for member in study.front(MACS)}


def test_networks_that_are_not_drawn_are_named_with_the_reason(figures: tuple[Figure, ...]) -> None:
    assert figures[0].omitted == ("nin-small (at chance level)",)
    (comparison,) = compare([group((network("dead", failed=3), network("real")))], [])
    for figure in figures_of(comparison)[:3]:
        assert figure.omitted == ("dead (no test error)",)
    curves = learning_curves(comparison, "train_loss")
    assert curves is not None
    assert curves.omitted == ("dead (no seed completed)",)


def test_time_is_drawn_in_a_unit_that_suits_it(study: Comparison) -> None:
    figure = error_against(study, SECONDS)
    assert figure is not None
    row = next(row for row in figure.rows if row["name"] == "resnet-small")
    assert row["x"] == pytest.approx(10.2)
    assert "training time (minutes)" in json.dumps(figure.specifications)


def test_curves_are_means_and_ranges_over_the_seeds_that_completed() -> None:
    (comparison,) = compare([group((network("one", failed=1, epochs=3),))], [])
    figure = learning_curves(comparison, "validation_error_percent")
    assert figure is not None
    complete = comparison.networks[0].complete_runs
    assert len(complete) == 2
    for row in figure.rows:
        values = [run.history[row["epoch"] - 1].validation_error_percent for run in complete]
        assert row["mean"] == pytest.approx(sum(values) / 2)
        assert (row["low"], row["high"], row["seeds"]) == (min(values), max(values), 2)


def test_nothing_to_draw_is_no_figure() -> None:
    (comparison,) = compare([group((network("dead", failed=3),))], [])
    assert figures_of(comparison) == ()


def test_a_study_of_one_network_and_one_epoch_is_drawn() -> None:
    (comparison,) = compare([group((network("one", seeds=1, epochs=1),))], [])
    for figure in figures_of(comparison):
        assert figure.png().startswith(b"\x89PNG")


def test_an_interval_from_two_seeds_may_exceed_the_axis_without_breaking_it() -> None:
    wide = network("wide", seeds=2, error=70)
    (comparison,) = compare([group((wide, network("fine", error=7)))], [])
    figure = error_against(comparison, MACS)
    assert figure is not None
    assert all(row["low"] > 0 and row["high"] <= 100 for row in figure.rows)
    assert figure.png().startswith(b"\x89PNG")


def test_specifications_follow_the_schema_of_vega_lite(figures: tuple[Figure, ...]) -> None:
    for figure in figures:
        chart = alt.LayerChart.from_dict(figure.specifications[0], validate=True)  # raises where the schema is broken
        assert chart.to_dict()["layer"]


def test_specifications_compile_without_a_warning(
    figures: tuple[Figure, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    for figure in figures:
        whole = {**figure.specifications[0], "datasets": {"rows": list(figure.rows)}}
        compiled = vl_convert.vegalite_to_vega(json.dumps(whole))
        assert compiled["marks"]
    assert "WARN" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("errors", [(54, 80), (7, 90), (7.18, 7.23), (0.4, 0.9), (0.02, 40)])
def test_axes_are_labelled_with_plain_numbers(errors: tuple[float, float]) -> None:
    cheap, dear = (network(str(error), macs=10**index, error=error) for index, error in enumerate(errors, 6))
    (comparison,) = compare([group((cheap, dear))], [])
    for figure in figures_of(comparison):
        whole = {**figure.specifications[0], "width": 400, "datasets": {"rows": list(figure.rows)}}
        svg = vl_convert.vegalite_to_svg(json.dumps(whole))
        labels = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
        assert len(labels) >= 5
        assert not [label for label in labels if re.fullmatch(r".*\de[+-]?\d+", label)]


def test_the_same_records_give_the_same_figures(study: Comparison, figures: tuple[Figure, ...]) -> None:
    assert json.dumps([vars(figure) for figure in figures_of(study)]) == json.dumps(
        [vars(figure) for figure in figures]
    )


def test_names_never_reach_an_expression() -> None:
    (comparison,) = compare([hostile_group()], [])
    expressions: list[str] = []

    def collect(value: object, key: str = "") -> None:
        if isinstance(value, dict):
            for inner_key, inner in value.items():
                collect(inner, inner_key)
        elif isinstance(value, list):
            for inner in value:
                collect(inner, key)
        elif isinstance(value, str) and key in ("expr", "filter", "calculate", "signal", "test", "labelExpr"):
            expressions.append(value)

    for figure in figures_of(comparison):
        collect(list(figure.specifications))
    assert expressions
    for expression in expressions:
        assert not any(name in expression for name in HOSTILE_NAMES)
        assert not re.search(r"alert|cmd|7\*7", expression)


def test_pngs_are_drawn_without_a_browser(figures: tuple[Figure, ...]) -> None:
    for figure in figures:
        png = figure.png()
        width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
        assert png.startswith(b"\x89PNG")
        assert width > 1000
        assert height > 600


def test_families_keep_their_colour_and_unknown_ones_follow() -> None:
    assert family_domain(["resnet"]) == list(FAMILY_ORDER)
    assert family_domain(["zeta", "resnet", "alpha"]) == [*FAMILY_ORDER, "alpha", "zeta"]


# Machado, Oliveira & Fernandes (2009), severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear_rgb(colour: str) -> NDArray[np.float64]:
    channels = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def cielab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(linear_rgb(colour) @ np.array([0.2126, 0.7152, 0.0722])) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_under_every_kind_of_vision(mode: Literal["light", "dark"], vision: str) -> None:
    seen = [cielab(VISION[vision] @ linear_rgb(colour)) for colour in PALETTES[mode]]
    assert len(seen) == len(FAMILY_ORDER)
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) >= 20


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_stand_out_from_the_background(mode: Literal["light", "dark"]) -> None:
    assert min(contrast(colour, BACKGROUNDS[mode]) for colour in PALETTES[mode]) >= 3


@pytest.mark.parametrize(
    "values",
    [[6.9, 90], [6.9, 12], [44_378, 1.2e6], [5], [0, 3], [0.001, 1e5], [100, 101], [0, 0], [-2, 3], [1e5, 1e12]],
)
@pytest.mark.parametrize("log", [True, False, None])
def test_a_scale_holds_its_values_and_a_few_ticks(values: list[float], log: bool | None) -> None:
    scale = scale_of(values, log)
    low, high = scale.domain
    assert low <= min(values)
    assert max(values) <= high
    assert low < high
    assert 2 <= len(scale.ticks) <= 6
    assert all(low <= tick <= high for tick in scale.ticks)
    assert list(scale.ticks) == sorted(scale.ticks)
    assert scale.fraction(low) == 0
    assert scale.fraction(high) == 1


def test_scales_are_logarithmic_where_values_span_more_than_a_factor_of_four() -> None:
    assert scale_of([7, 27]).kind == "linear"
    assert scale_of([7, 29]).kind == "log"
    assert scale_of([0, 29]).kind == "linear"


def test_names_overlap_neither_points_nor_bars_nor_each_other_nor_the_frame() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        points = [(float(x), float(y)) for x, y in rng.uniform(0, 300, (12, 2))]
        bars = [(x - 1, y - 30, x + 1, y + 30) for x, y in points]
        places = place_labels(["network-small"] * 12, points, bars, 300, 300)
        boxes = []
        for position, (x, y) in zip(places, points, strict=True):
            if not position.text:
                continue
            wide = 13 * 5.5
            left = x + position.dx - {"left": 0, "center": wide / 2, "right": wide}[position.align]
            boxes.append((left, y + position.dy - 5, left + wide, y + position.dy + 5))
        assert boxes
        assert all(box[0] >= 0 and box[1] >= 0 and box[2] <= 300 and box[3] <= 300 for box in boxes)
        obstacles = [*bars, *((x - 4, y - 4, x + 4, y + 4) for x, y in points)]
        pairs = [*itertools.combinations(boxes, 2), *itertools.product(boxes, obstacles)]
        for one, other in pairs:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_lone_name_stands_to_the_right_of_its_point() -> None:
    (label,) = place_labels(["one"], [(50.0, 50.0)], [], 300, 100)
    assert (label.text, label.align, label.dy) == ("one", "left", 0)
