import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.splits import TEST, TRAIN, VALIDATION, carve_groups, carve_missing, carve_validation, proportional


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20), st.data())
def test_proportional_shares_add_up_and_are_off_by_less_than_one(counts: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(counts)))
    shares = proportional(np.array(counts), total)
    assert shares.sum() == total
    exact = np.array(counts) * total / max(1, sum(counts))
    assert (np.abs(shares - exact) < 1).all()
    assert (shares <= counts).all()


def test_validation_is_a_sixth_and_stratified() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 90])
    splits = carve_validation(labels, np.zeros(990, np.int8), seed=0)
    assert np.bincount(labels[splits == VALIDATION]).tolist() == [100, 50, 15]
    assert (splits != TEST).all()


def test_validation_has_at_most_ten_thousand_images() -> None:
    labels = np.arange(120_000) % 10
    splits = carve_validation(labels, np.zeros(len(labels), np.int8), seed=0)
    assert np.bincount(labels[splits == VALIDATION]).tolist() == [1000] * 10


def test_validation_never_takes_from_test() -> None:
    labels = np.arange(1000) % 2
    given_splits = np.where(np.arange(1000) < 500, TRAIN, TEST).astype(np.int8)
    splits = carve_validation(labels, given_splits, seed=3)
    assert (splits[500:] == TEST).all()
    assert (splits == VALIDATION).sum() == 83


def test_the_seed_alone_decides_who_validates() -> None:
    labels = np.arange(600) % 3
    train = np.zeros(600, np.int8)
    again = [carve_validation(labels, train, seed) for seed in (0, 0, 1)]
    assert (again[0] == again[1]).all()
    assert (again[0] != again[2]).any()
    assert (train == TRAIN).all()


def test_missing_splits_take_fifteen_percent_of_each_class() -> None:
    labels = np.repeat([0, 1], [100, 20])
    splits = carve_missing(labels, np.zeros(120, np.int8), (VALIDATION, TEST), seed=0)
    for split in (VALIDATION, TEST):
        assert np.bincount(labels[splits == split]).tolist() == [15, 3]


def test_a_small_class_still_gives_two_images_to_each_split() -> None:
    labels = np.repeat([0, 1], [6, 50])
    splits = carve_missing(labels, np.zeros(56, np.int8), (VALIDATION, TEST), seed=0)
    assert [int(((splits == split) & (labels == 0)).sum()) for split in (TRAIN, VALIDATION, TEST)] == [2, 2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole_and_splits_stay_near_their_share(seed: int) -> None:
    generator = np.random.default_rng(seed)
    groups = generator.integers(0, 120, 3000)
    labels = generator.integers(0, 4, 3000)
    splits = carve_groups(labels, np.zeros(3000, np.int8), groups, (VALIDATION, TEST), seed)
    assert all(len(np.unique(splits[groups == group])) == 1 for group in np.unique(groups))
    for split, share in ((TRAIN, 0.7), (VALIDATION, 0.15), (TEST, 0.15)):
        for label in range(4):
            assert abs(np.mean(splits[labels == label] == split) - share) < 0.05


def test_groups_leave_images_outside_train_alone() -> None:
    labels, groups = np.arange(100) % 2, np.arange(100) // 5
    given_splits = np.where(np.arange(100) < 80, TRAIN, TEST).astype(np.int8)
    splits = carve_groups(labels, given_splits, groups, (VALIDATION,), seed=0)
    assert (splits[80:] == TEST).all()
    assert (splits[:80] != TEST).all()
    assert 5 <= (splits == VALIDATION).sum() <= 20
