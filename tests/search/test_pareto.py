"""Fronts, ranks and hypervolumes, against counting by hand and by brute force."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search.asha import (
    Promotion,
    Standing,
    changes_to_end,
    expected_error,
    to_finish,
    to_promote,
    to_promote_unbounded,
)
from pipeline.search.pareto import front, fronts, hypervolume, ranked

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    assert front(points) == [i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)]


@given(POINTS)
def test_ranks_peel_front_after_front_and_order_all_places(points: list[tuple[int, int]]) -> None:
    left = list(range(len(points)))
    for members in fronts(points):
        assert members == [left[index] for index in front([points[i] for i in left])]
        left = [i for i in left if i not in members]
    assert not left
    assert sorted(ranked(points)) == list(range(len(points)))
    for count in range(len(points) + 1):
        assert ranked(points, count) == ranked(points)[:count]


def test_within_a_rank_the_lowest_error_comes_first_and_then_the_farthest() -> None:
    points = [(5.0, 5.0), (0.0, 10.0), (10.0, 0.0), (0.5, 9.5), (9.0, 9.0)]
    assert ranked(points) == [1, 2, 0, 3, 4]


def test_one_objective_is_ranked_by_its_value() -> None:
    assert ranked([(3.0,), (1.0,), (2.0,), (1.0,)]) == [1, 3, 2, 0]
    assert hypervolume([(0.25,), (0.5,)], [1.0]) == 0.75


def test_hypervolume_is_the_area_counted_by_hand() -> None:
    assert hypervolume([(0.25, 0.5), (0.5, 0.25)], (1, 1)) == pytest.approx(0.375 + 0.375 - 0.25)
    assert hypervolume([], (1, 1)) == 0
    assert hypervolume([(0.5, 1.0), (2.0, 0.1)], (1, 1)) == 0


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=6))
def test_hypervolume_of_three_objectives_is_that_of_a_grid(points: list[tuple[float, float, float]]) -> None:
    grid = np.sort(np.unique(np.concatenate([np.array(points), np.zeros((1, 3)), np.ones((1, 3))]), axis=0), axis=0)
    edges = [np.unique(np.concatenate([grid[:, axis], [0.0, 1.0]])) for axis in range(3)]
    volume = 0.0
    for cell in itertools.product(*(range(len(edge) - 1) for edge in edges)):
        low = [edges[axis][index] for axis, index in enumerate(cell)]
        if any(all(p <= c for p, c in zip(point, low, strict=True)) for point in points):
            volume += float(np.prod([edges[axis][index + 1] - edges[axis][index] for axis, index in enumerate(cell)]))
    assert hypervolume(points, (1, 1, 1)) == pytest.approx(volume)


def standing(number: int, *errors: float, waiting: bool = True, cost: float = 0.0) -> Standing:
    return Standing(number, errors, (cost,), waiting)


def test_nobody_goes_on_before_a_reductions_worth_has_arrived() -> None:
    assert to_promote([standing(0, 50.0), standing(1, 40.0)], 3, 3) is None
    assert to_promote([standing(0, 50.0), standing(1, 40.0), standing(2, 60.0)], 3, 3) == 1


def test_the_highest_rung_goes_first_and_those_in_training_are_left_alone() -> None:
    low = [standing(n, 50.0 + n) for n in range(6)]
    high = [standing(6 + n, 30.0 + n, 20.0 + n) for n in range(3)]
    assert to_promote([*low, *high], 3, 3) == 6
    busy = [standing(6, 30.0, 20.0, waiting=False), *high[1:]]
    assert to_promote([*low, *busy], 3, 3) is None  # the three best of nine at the lowest rung have all gone on


def test_when_nothing_else_goes_on_the_furthest_and_best_does() -> None:
    two = [standing(0, 50.0), standing(1, 40.0)]
    assert to_promote(two, 3, 3) is None and to_finish(two, 3) == 1
    second = [standing(0, 50.0), standing(1, 40.0, 30.0)]
    assert to_finish(second, 3) == 1
    assert to_finish([standing(0, 50.0), standing(1, 40.0, 30.0, 20.0)], 3) is None
    failed = [standing(0, 50.0), replace(standing(1, 40.0), waiting=False)]
    assert to_finish(failed, 3) == 0 and to_finish([], 3) is None
    further = [standing(0, 50.0), replace(standing(1, 40.0, 30.0), waiting=False)]
    assert to_finish(further, 3) == 0  # the one that had gone on has failed


@pytest.mark.parametrize("promotion", [to_promote, to_promote_unbounded])
def test_never_more_than_a_reductions_part_of_a_rung_go_on_where_the_sources_let_more(promotion: Promotion) -> None:
    generator = np.random.default_rng(0)
    trials: list[Standing] = []
    while len(trials) < 60:
        number = promotion(trials, 3, 3)
        if number is None:
            trials.append(standing(len(trials), float(generator.uniform()), cost=float(generator.uniform())))
        else:
            error = float(generator.uniform())
            trials[number] = standing(number, *trials[number].errors, error, cost=trials[number].costs[0])
    reached = [sum(len(trial.errors) > rung for trial in trials) for rung in range(3)]
    within = reached[1] <= reached[0] // 3 and reached[2] <= reached[1] // 3
    assert within == (promotion is to_promote) and reached[2] > 0


def test_a_cheap_network_goes_on_though_its_error_is_higher() -> None:
    trials = [standing(n, 20.0 + n, cost=7.0) for n in range(8)] + [standing(8, 60.0, cost=1.0)]
    chosen = set()
    for _ in range(3):
        number = to_promote(trials, 2, 3)
        assert number is not None
        chosen.add(number)
        trials[number] = standing(number, *trials[number].errors, 10.0, cost=trials[number].costs[0])
    assert {0, 8} < chosen


def test_errors_of_stopped_trials_are_estimated_on_the_scale_of_complete_ones() -> None:
    curves = [[50.0, 30.0, 20.0], [60.0, 40.0, 26.0], [55.0], [45.0, 35.0], []]
    changes = changes_to_end(curves[:2], 3)
    assert [expected_error(curve, changes) for curve in curves] == [20.0, 26.0, 55.0 - 32.0, 35.0 - 12.0, None]
    assert expected_error([3.0], changes) == 0.0, "no error is below none"
    assert expected_error([50.0], changes_to_end([], 3)) == 50.0
