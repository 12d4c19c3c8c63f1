"""Successive halving, without a training: who goes on, and who is best."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.running.halving import Curve, best, going_on, rungs


def test_rungs_are_powers_of_the_reduction_and_the_last_epoch() -> None:
    assert rungs(10, 2) == (1, 2, 4, 10)  # 8 is nearer to 10 than half a step
    assert rungs(10, 3) == (1, 3, 10)
    assert rungs(6, 3) == (1, 3, 6)
    assert rungs(9, 3) == (1, 3, 9)
    assert rungs(1, 2) == (1,)
    assert rungs(10, None) == (10,)
    with pytest.raises(ValueError, match=r"reduction \(=1\) must be at least 2"):
        rungs(10, 1)


Errors = tuple[float | None, ...]
"""Of one trial, after each epoch; None from the epoch at which it fails."""


def _played(errors: Mapping[float, Errors], reduction: int | None) -> tuple[float | None, int]:
    """Play a whole choice: the best trial, and how many epochs were trained."""
    epochs = len(next(iter(errors.values())))
    curves = {key: Curve() for key in errors}
    trained = 0
    while wanted := going_on(curves, rungs(epochs, reduction), reduction):
        for key, until in wanted.items():
            before = len(curves[key].errors)
            assert before < until, "a trial is asked to train what it has trained"
            known = [error for error in errors[key][:until] if error is not None]
            trained += until - before
            curves[key] = Curve(tuple(known), failed=len(known) < until)
    return best(curves, epochs), trained


def test_the_better_half_goes_on_and_the_lowest_at_the_end_wins() -> None:
    errors = {0.1: (50.0, 30.0), 0.2: (40.0, 35.0), 0.3: (60.0, 10.0), 0.4: (70.0, 60.0)}
    assert _played(errors, 2) == (0.1, 6)  # 0.3 would have won, had it not begun badly
    assert _played(errors, None) == (0.3, 8)


def test_of_equals_the_smaller_goes_on() -> None:
    assert _played({0.4: (50.0, 50.0), 0.1: (50.0, 50.0), 0.2: (50.0, 50.0)}, 2) == (0.1, 5)


def test_a_failed_trial_is_never_best_and_its_place_is_taken() -> None:
    assert _played({0.1: (50.0, None), 0.2: (60.0, 40.0), 0.3: (None, None)}, 2)[0] == 0.2
    assert _played({0.1: (50.0, None), 0.2: (51.0, None), 0.3: (60.0, 55.0), 0.4: (70.0, 65.0)}, 2)[0] == 0.3
    assert _played({0.1: (None, None), 0.2: (None, None)}, 2)[0] is None


def test_one_or_no_trial_needs_no_comparison() -> None:
    assert _played({0.1: (50.0, 40.0, 30.0)}, 2) == (0.1, 3)
    assert going_on(dict[float, Curve](), (1, 2), 2) == {} and best(dict[float, Curve](), 2) is None


@given(st.integers(1, 6), st.integers(2, 4), st.data())
def test_every_choice_ends_and_finds_a_rate_whenever_one_trains(
    epochs: int, reduction: int, data: st.DataObject
) -> None:
    error = st.one_of(st.floats(0, 100), st.none())
    drawn: dict[float, Errors] = data.draw(
        st.dictionaries(st.floats(0.001, 1), st.tuples(*[error] * epochs), min_size=1, max_size=6)
    )
    errors = {}
    for key, curve in drawn.items():
        first_failure = curve.index(None) if None in curve else epochs
        errors[key] = curve[:first_failure] + (None,) * (epochs - first_failure)
    winner, trained = _played(errors, reduction)
    trainable = {key for key, curve in errors.items() if None not in curve}
    assert (winner in trainable) if trainable else (winner is None)
    assert trained <= epochs * len(errors)
