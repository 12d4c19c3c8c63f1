"""Benchmarks: their arithmetic, and that their arms do the same work. Their timings are no test."""

import math
from pathlib import Path

import pytest

from benchmarks import NAMES, run_benchmarks
from benchmarks.accuracy import equivalence
from benchmarks.arms import Case, engine, textbook
from benchmarks.limit import Peaks, Work, bound_seconds, layers
from benchmarks.records import Benchmark, finish, overall, row, table
from pipeline.errors import UsageError
from pipeline.schema import read_record
from search_spaces import instantiate, reference


def test_a_ratio_says_how_many_times_better_the_first_arm_is() -> None:
    speed = row("net", "images/s", {"ours": [20.0, 40.0], "theirs": [10.0, 10.0]})
    assert speed.ratios["theirs"].mean == pytest.approx(math.sqrt(8)) and speed.ratios["theirs"].n == 2
    seconds = row("net", "s", {"ours": [1.0, 1.0], "theirs": [3.0, 3.0]}, "lower")
    assert seconds.ratios["theirs"].mean == pytest.approx(3.0)
    assert seconds.ratios["theirs"].interval == pytest.approx((3.0, 3.0))
    assert row("net", "MiB", {"ours": [1.0], "theirs": [3.0]}, None).ratios == {}


def test_the_overall_ratio_is_the_geometric_mean_over_cases_within_each_repeat() -> None:
    rows = [
        row("a", "images/s", {"ours": [20.0, 20.0], "theirs": [10.0, 10.0]}),
        row("b", "images/s", {"ours": [80.0, 80.0], "theirs": [10.0, 10.0]}),
    ]
    assert overall(rows, "theirs").mean == pytest.approx(4.0)
    assert overall(rows, "theirs").interval == pytest.approx((4.0, 4.0))


def test_a_record_is_written_and_read_back(tmp_path: Path) -> None:
    rows = [row("net", "images/s", {"ours": [20.0, 40.0], "theirs": [10.0, 10.0]})]
    benchmark = finish("throughput", rows, ["faster"], tmp_path)
    assert read_record(Benchmark, tmp_path / "throughput.json") == benchmark
    assert "2.83" in table(benchmark) and "faster" in table(benchmark)


def test_an_unknown_benchmark_is_refused_naming_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'throughput'"):
        run_benchmarks(["throughputt"], 2, tmp_path, tmp_path, print)
    for name in NAMES:
        assert (Path(__file__).parents[1] / "benchmarks" / f"{name}.py").exists()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # the textbook's four workers, on fewer cores
def test_engine_and_textbook_take_the_same_steps(prepared_fashion_mnist: Path) -> None:
    """With all images in one batch their order does not matter: what is left is how sums are rounded."""
    case = Case(
        "lenet-small", 600, 600, prepared_fashion_mnist, epochs=3, learning_rate=0.1, precision="float32", threads=1,
        score=True,
    )  # fmt: skip
    ours, theirs = engine(case), textbook(case)
    assert ours.images_per_second > 0 and theirs.images_per_second > 0
    assert ours.error_percent is not None and ours.error_percent < 80  # and they learn
    assert ours.error_percent == pytest.approx(theirs.error_percent, abs=0.5)


def test_equivalence_is_said_only_where_the_interval_lies_within_the_margin() -> None:
    near = [{"a": [10.0, 10.1, 9.9], "b": [10.0, 10.0, 10.0]}]
    apart = [{"a": [12.0, 12.1, 11.9], "b": [10.0, 10.0, 10.0]}]
    noisy = [{"a": [10.0, 14.0, 6.0], "b": [10.0, 10.0, 10.0]}]
    assert ", equivalent within" in equivalence(near, "a", "b")
    assert "not shown to be equivalent" in equivalence(apart, "a", "b")
    assert "not shown to be equivalent" in equivalence(noisy, "a", "b")


def test_the_bound_of_a_network_counts_its_macs_once_forward_and_twice_backward() -> None:
    family, lenet = reference("lenet")
    import torch

    works = layers(instantiate(family, lenet.config, 28, 1, 10), torch.rand(2, 1, 28, 28))
    assert sum(work.macs for work in works) == 2 * lenet.macs
    peaks = Peaks(dict.fromkeys(("product", "convolution kxk", "convolution of one channel"), 1.0), 1e30, 4)
    first, rest = works[0].macs, sum(work.macs for work in works[1:])
    assert sum(bound_seconds(work, peaks) for work in works) == pytest.approx(2 * first + 3 * rest)
    assert bound_seconds(Work("elementwise", 0, 100, False), Peaks({}, 10.0, 2)) == pytest.approx(60.0)
