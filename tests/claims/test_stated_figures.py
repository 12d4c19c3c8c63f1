"""Figures that stand in the words of claims.yaml, against what is calculated from Configs and read from records."""

import re
from pathlib import Path

import pytest

import search_spaces
from pipeline.claims.calculations.registry import figures
from pipeline.claims.catalogue import Catalogue, read_catalogue
from pipeline.files import read_json
from pipeline.running.plans import as_reference, resolve_network
from search_spaces import Price

CHECKOUT = Path(__file__).parents[2]
NUMBER = r"\d[\d,]*(?:\.\d+)?"


@pytest.fixture(scope="module")
def claims() -> Catalogue:
    return read_catalogue(CHECKOUT / "reports" / "claims.yaml")


def reference_price(name: str, resolution: int | None = None) -> Price:
    family, reference = search_spaces.reference(name)
    return search_spaces.price(family, reference.config, resolution or reference.resolution)


def arm_price(claims: Catalogue, experiment: str, arm: str) -> Price:
    family, config, _ = resolve_network(*as_reference(claims.experiments[experiment].arms[arm].network, arm))
    return search_spaces.price(family, config, 28)


def numbers(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(NUMBER, text)]


def test_right_figures_are_given_for_wrong_ones(claims: Catalogue) -> None:
    channels, hidden = figures("channels-of-alexnet-and-lenet"), figures("hidden-dense-layers-of-alexnet")
    stated = claims.claims["A2"].remark
    assert f"{channels['AlexNet summed']:,} channels in all against {channels['LeNet summed']}" in stated
    stated, moments = claims.claims["A3"].remark, hidden["MiB with gradients and Adam's moments"]
    assert f"{hidden['MiB of float32']:.0f} MiB" in stated and f"{moments:.0f} MiB" in stated
    assert f"{hidden['GB of the original with output, gradients and moments']:.2f} GB" in stated
    stated, macs = claims.claims["A4"].remark, hidden["MMACs"]
    assert f"({hidden['MB of float32']:.0f} MB)" in stated and f"{1e6 * macs:,.0f} multiply-accumulates" in stated
    assert f"{hidden['MFLOPs']:.1f} MFLOPs" in stated and f"{macs:.1f} M where" in stated
    matrix = figures("first-dense-layer-of-vgg11")
    stated = claims.claims["N1"].remark
    assert numbers(stated) == [round(matrix["MB of float32"]), round(matrix["MiB of float32"])]
    block = figures("inception-3a")
    exact = ("parameters", "parameters of a 3x3", "parameters of a 5x5", "MACs", "MACs of a 3x3", "MACs of a 5x5")
    factors = [round(block[f"a {kernel} over the block"], 1) for kernel in ("3x3", "5x5")]
    assert numbers(claims.claims["G4"].remark) == [*(block[name] for name in exact), *factors]


def test_the_cut_of_a_grouped_block_is_as_stated(claims: Catalogue) -> None:
    found, stated = figures("grouping"), claims.claims["X2"].remark
    listed = [round(found[f"block, {groups} groups: MMACs"]) for groups in (1, 2, 4, 8, 16, 32, 64)]
    pointwise = 2 * 256 * 128 * 28**2  # what grouping leaves
    limit = found["block, 1 groups: MMACs"] * 1e6 / pointwise
    assert numbers(stated)[2:9] == listed  # behind the two of "1x1"
    assert f"a cut of {found['largest cut of the block']:.2f} at 64" in stated and f"than {limit:.2f}" in stated


def test_a_quarter_of_the_width_cuts_what_is_stated(claims: Catalogue) -> None:
    full, narrow = reference_price("vgg11", 224), reference_price("vgg11-narrow", 224)
    stated = numbers(claims.claims["V7"].remark)
    assert stated == [round(full.macs / narrow.macs, 1), 11, round(full.params / narrow.params, 1)]


def test_costs_in_the_measures_are_those_of_the_arms(claims: Catalogue) -> None:
    compared = 0
    for identifier in ("V9", "D2", "D6"):
        for part in claims.claims[identifier].parts:
            if part.kind != "empirical" or part.experiment.startswith("source-"):
                continue
            one, other = (arm_price(claims, part.experiment, arm) for arm in part.contrast)
            stated = numbers(part.measure)[-1]
            if "times the MACs" in part.measure:
                assert stated == round(one.macs / other.macs, 1), part.measure
            elif "MACs" in part.measure:
                assert stated == round((one.macs + other.macs) / 2e6, 1), part.measure
            else:
                assert stated == round((one.params + other.params) / 2, -3), part.measure
            compared += 1
    assert compared == 7
    dense, residual = reference_price("densenet", 96), reference_price("resnet18", 96)
    assert f"{residual.params / dense.params:.1f} times the parameters" in claims.claims["D6"].parts[-1].measure


def test_the_network_found_by_search_costs_what_is_stated(claims: Catalogue) -> None:
    by_hand, searched = (arm_price(claims, "searched-inception", arm) for arm in ("by hand", "searched"))
    study = read_json(CHECKOUT / "reports" / "published" / "claims" / "studies" / "inception-under-googlenet.json")
    remark = claims.claims["G8"].remark
    assert f"googlenet-small, made by hand for 28 pixels, takes {by_hand.macs / 1e6:.2f}M MACs." in remark
    assert f"A search of {study['counted']} trials" in remark
    assert f"a network of {searched.macs / 1e6:.2f}M MACs with {searched.params:,} parameters" in remark
    assert f"googlenet-small has {by_hand.params:,}." in remark
