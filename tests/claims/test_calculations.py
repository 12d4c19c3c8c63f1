"""Figures that settle claims without training, against the arithmetic of the source's catalogue."""

from pathlib import Path

import pytest

from pipeline.claims.calculations.registry import calculations, figures
from pipeline.claims.catalogue import read_catalogue
from pipeline.claims.parts import AnalyticPart
from pipeline.errors import UsageError

CATALOGUE = read_catalogue(Path(__file__).parents[2] / "reports" / "claims.yaml")

KNOWN: dict[str, dict[str, float]] = {
    "alexnet-layers": {"layers": 8, "convolutions": 5},
    "channels-of-alexnet-and-lenet": {"AlexNet summed": 1376, "LeNet summed": 22, "first layers": 16},
    "hidden-dense-layers-of-alexnet": {
        "MiB of float32": 164.03,
        "MiB with gradients and Adam's moments": 656.1,
        "GB of the original with output, gradients and moments": 0.938,
        "MMACs": 42.99,
        "MFLOPs": 85.98,
    },
    "cost-of-alexnet-over-lenet": {"times": 2252.3},
    "dense-shares": {"alexnet parameters, %": 92.04, "alexnet MACs, %": 4.587, "vgg11-narrow parameters, %": 98.66},
    "vgg11-over-alexnet": {"times the MACs": 8.045, "times the parameters": 2.754},
    "first-dense-layer-of-vgg11": {"MB of float32": 411.04, "MiB of float32": 392},
    "nin-parameters": {"AlexNet over NiN": 23.47, "VGG-11 over NiN": 64.66},
    "nin-cost-over-alexnet": {"times the MACs": 0.8126, "times the memory for backward": 1.920},
    "three-by-three-against-five-by-five": {"weights of three 3x3, in c^2": 27, "weights of two 3x3, in c^2": 18},
    "inception-3a": {
        "parameters": 163_696,
        "parameters of a 3x3": 442_624,
        "parameters of a 5x5": 1_229_056,
        "MACs": 128_049_152,
        "a 3x3 over the block": 2.708,
        "a 5x5 over the block": 7.523,
    },
    "branch-order": {"blocks": 5, "blocks in this order": 0, "blocks in this order or with ties": 4},
    "grouping": {
        f"block, {groups} groups: MMACs": 28**2 * (2 * 256 * 128 + 9 * 128**2 / groups) / 1e6 for groups in (1, 8, 64)
    },
    "densenet-over-resnet18": {
        "times fewer parameters": 14.74,
        "times fewer MACs": 2.469,
        "times the memory for backward": 1.551,
    },
    "resnet18-layers": {"layers": 18, "convolutions": 17},
    "anynet-choices": {"free parameters": 17, "networks at two choices each": 131_072, "layers of RegNetX-32": 32},
    "receptive-fields": {"two 3x3": 5, "three 3x3": 7, "one 5x5": 5},
    "pointwise-convolution": {"largest difference": 0},
    "residual-identity": {"on non-negative inputs": 0},
    "batch-of-one": {"dense layer": 0, "1x1 map": 0},
    "batch-mates": {"in prediction": 0},
    "upscaling": {"times the MACs": 5.444, "rank of the upscaling of a row": 28},
}


@pytest.mark.parametrize("name", KNOWN)
def test_figures_are_those_of_the_catalogues_arithmetic(name: str) -> None:
    found = figures(name)
    for figure, value in KNOWN[name].items():
        rounded = isinstance(value, float)  # to four digits
        assert found[figure] == (pytest.approx(value, rel=3e-4) if rounded else value), figure


def test_equalities_hold_to_the_last_bit_and_what_is_said_to_differ_does() -> None:
    assert figures("batch-norm-from-scratch")["outputs"] < 1e-12
    assert figures("batch-norm-from-scratch")["running variances, unbiased"] < 1e-12
    assert figures("batch-norm-from-scratch")["running variances"] > 1e-4
    assert figures("residual-identity")["on any inputs"] > 0
    assert figures("batch-of-one")["4x4 map"] > 1
    assert figures("batch-mates")["in training"] > 0.01
    assert figures("upscaling")["largest error of the undone upscaling"] < 1e-9


def test_every_claim_speaks_of_figures_that_are_calculated() -> None:
    parts = [part for claim in CATALOGUE.claims.values() for part in claim.parts if isinstance(part, AnalyticPart)]
    assert len(parts) > 30
    for part in parts:
        assert set(part.says) <= set(figures(part.calculation)), part.measure


def test_an_unknown_calculation_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'alexnet-layers'"):
        figures("alexnet-layer")
    assert len(calculations()) >= 30


def test_budgets_of_the_full_profile_come_to_sixteen_core_hours() -> None:
    """Eight hours of two cores; what was spent stands beside them in the report."""
    sizes = [experiment.sizes.get("full") for experiment in CATALOGUE.experiments.values()]
    budgets = [size.core_hours for size in sizes if size is not None]
    assert len(budgets) > 20 and sum(budgets) <= 16
