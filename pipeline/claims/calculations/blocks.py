"""Counts over single layers and blocks, taken with the ledger that prices whole networks.

Costs are for one image. Weights exclude biases where a claim is about the order of growth.
"""

import itertools

import search_spaces
from pipeline.claims.calculations.registry import Figures, calculation
from search_spaces import Ledger, Price
from search_spaces.googlenet import Config, Inception

CARDINALITIES = (1, 2, 4, 8, 16, 32, 64)


def _conv(channels: int, out: int, kernel: int, side: int = 28, groups: int = 1, bias: bool = True) -> Price:
    return Ledger(channels, side).conv(out, kernel, padding=kernel // 2, groups=groups, bias=bias).price()


@calculation
def three_by_three_against_five_by_five() -> Figures:
    """Weights of stacked 3x3 convolutions divided by those of one 5x5, with equal channels in and out."""
    channels = 64
    three = _conv(channels, channels, 3, bias=False).params
    five = _conv(channels, channels, 5, bias=False).params
    return {
        "weights of three 3x3, in c^2": 3 * three / channels**2,
        "weights of two 3x3, in c^2": 2 * three / channels**2,
        "weights of one 5x5, in c^2": five / channels**2,
        "three 3x3 over one 5x5": 3 * three / five,
        "two 3x3 over one 5x5": 2 * three / five,
    }


def _blocks() -> list[tuple[Inception, ...]]:
    config: Config = search_spaces.reference("googlenet")[1].config
    return list(config.stages)


@calculation
def inception_ratios() -> Figures:
    """Widths of the first two Inception blocks in units of the first one's smallest, and reductions by 1x1 layers."""
    first, second = _blocks()[0]
    found = {}
    for title, block, inputs in (("first", first, 192), ("second", second, first.width)):
        unit = block.width / (8 if title == "first" else 15)
        for branch, width in (
            ("1x1", block.one),
            ("3x3", block.three[1]),
            ("5x5", block.five[1]),
            ("pool", block.pool),
        ):
            found[f"{title}: {branch}"] = width / unit
        found[f"{title}: inputs over those of the 3x3"] = inputs / block.three[0]
        found[f"{title}: inputs over those of the 5x5"] = inputs / block.five[0]
    return found


@calculation
def branch_order() -> Figures:
    """Blocks of GoogLeNet's fourth module whose branches are, by width, 3x3, 1x1, 5x5, pool."""
    widths = [(block.three[1], block.one, block.five[1], block.pool) for block in _blocks()[1]]
    pairs = [list(itertools.pairwise(block)) for block in widths]
    return {
        "blocks": len(widths),
        "blocks in this order": sum(all(a > b for a, b in block) for block in pairs),
        "blocks in this order or with ties": sum(all(a >= b for a, b in block) for block in pairs),
    }


def _inception_3a(reduced: bool) -> Price:
    """The first block on its 192 maps of 28x28. If not `reduced`, its 3x3 and 5x5 read the inputs directly."""
    block, start = _blocks()[0][0], Ledger(192, 28)
    three, five = start.fork(), start.fork()
    if reduced:
        three, five = three.conv(block.three[0], 1), five.conv(block.five[0], 1)
    ends = [
        start.fork().conv(block.one, 1),
        three.conv(block.three[1], 3, padding=1),
        five.conv(block.five[1], 5, padding=2),
        start.fork().conv(block.pool, 1),
    ]
    return start.concatenate(ends).price()


@calculation
def inception_3a() -> Figures:
    """Parameters and MACs of Inception 3a, and of one 3x3 or 5x5 from its 192 to its 256 channels, at 28 pixels."""
    block, without = _inception_3a(reduced=True), _inception_3a(reduced=False)
    three, five = _conv(192, 256, 3), _conv(192, 256, 5)
    return {
        "parameters": block.params,
        "parameters of a 3x3": three.params,
        "parameters of a 5x5": five.params,
        "MACs": block.macs,
        "MACs of a 3x3": three.macs,
        "MACs of a 5x5": five.macs,
        "a 3x3 over the block": three.macs / block.macs,
        "a 5x5 over the block": five.macs / block.macs,
        "parameters without reductions over with": without.params / block.params,
        "MACs without reductions over with": without.macs / block.macs,
    }


@calculation
def widening() -> Figures:
    """Weights and MACs of a 3x3 convolution with both widths doubled or tripled, divided by those before."""
    once, twice, thrice = (_conv(64 * times, 64 * times, 3, bias=False) for times in (1, 2, 3))
    return {
        "weights, both widths doubled": twice.params / once.params,
        "weights, both widths tripled": thrice.params / once.params,
        "MACs, both widths doubled": twice.macs / once.macs,
    }


@calculation
def grouping() -> Figures:
    """How much g groups cut the cost of a 3x3 convolution of 128 channels, and of its ResNeXt block.

    The block is 256 -> 1x1 -> 128 -> 3x3 in g groups -> 128 -> 1x1 -> 256 on 28x28. The two 1x1 layers are not grouped,
    so its MACs fall by a factor of at most (2 * 256 * 128 + 9 * 128^2) / (2 * 256 * 128) = 3.25.
    """
    found = {}
    ungrouped, whole = _conv(128, 128, 3, bias=False), _grouped_block(1)
    for groups in CARDINALITIES:
        alone = _conv(128, 128, 3, groups=groups, bias=False)
        found[f"convolution, {groups} groups: cut of its weights, in g"] = ungrouped.params / alone.params / groups
        found[f"convolution, {groups} groups: cut of its MACs, in g"] = ungrouped.macs / alone.macs / groups
        found[f"block, {groups} groups: MMACs"] = _grouped_block(groups).macs / 1e6
    found["largest cut of the block"] = max(whole.macs / _grouped_block(groups).macs for groups in CARDINALITIES)
    found["block, 64 groups: times fewer MACs"] = whole.macs / _grouped_block(64).macs
    found["block, 64 groups: times fewer weights"] = whole.params / _grouped_block(64).params
    return found


def _grouped_block(groups: int) -> Price:
    block = Ledger(256, 28).conv(128, 1, bias=False).conv(128, 3, padding=1, groups=groups, bias=False)
    return block.conv(256, 1, bias=False).price()


@calculation
def dense_channels() -> Figures:
    """Channels after two layers of growth 10 on 3, added by the source's blocks, and kept by its transitions."""
    ledger = Ledger(3, 8)
    for _ in range(2):
        ledger.concatenate([ledger.fork(), ledger.fork().conv(10, 3, padding=1)])
    config = search_spaces.reference("densenet")[1].config
    return {
        "channels of 3 with two layers of 10": ledger.channels,
        "channels that a block adds": config.growth_rate * config.depths[0],
        "share that a transition keeps": config.compression,
    }
