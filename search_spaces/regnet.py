"""RegNetX: ResNeXt-like stages whose widths and depths follow a line.

Source: Radosavovic et al. (2020), "Designing Network Design Spaces"; RegNetX-32 as in *Dive into Deep Learning* 8.8
(convolution biases). The Config is the explicit AnyNetX form, with one group width and bottleneck ratio per stage.
`sample` draws the RegNet parametrisation (w_a slope, w_0 initial width, w_m quantisation step, depth, group width,
ratio). The subspaces anynet-a to anynet-e are the design spaces with which the paper derived it.
`regnet-small`: the RegNet of w_0 16, w_a 20.5, w_m 2.2, depth 6, group width 8, rounded: stages of 1, 2 and 3 blocks,
with a stride-1 stem so that they work on 14, 7 and 4 pixels.
"""

import math
from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Literal, get_args

from pydantic.dataclasses import dataclass
from torch import nn

from pipeline.schema import STRICT
from search_spaces import _residual
from search_spaces._base import (
    Answers,
    Family,
    Reference,
    check_depths,
    check_widths,
    choose,
    choose_number,
    require,
)
from search_spaces._ledger import Ledger
from search_spaces._residual import Residual, Stage, Stem

AnyNet = Literal["a", "b", "c", "d", "e"]
STAGES = 4
WIDTHS, DEPTHS = range(32, 161, 32), range(1, 5)
RATIOS, GROUP_WIDTHS = (0.5, 1.0), (4, 8, 16)


@dataclass(frozen=True, config=STRICT)
class Config:
    """Stage i: `depths[i]` blocks of `widths[i]` channels, in groups of `group_widths[i]`. Each stage halves the map.

    The inner width of stage i is round(widths[i] * bottleneck_ratios[i]).
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    group_widths: tuple[int, ...]
    bottleneck_ratios: tuple[float, ...]
    stem: Stem = "regnet"
    stem_width: int = 32
    conv_bias: bool = False

    def __post_init__(self) -> None:
        check_widths("widths", self.widths)
        check_widths("stem_width", (self.stem_width,))
        check_depths("depths", self.depths, count=len(self.widths))
        check_widths("group_widths", self.group_widths, count=len(self.widths))
        require(
            len(self.bottleneck_ratios) == len(self.widths),
            f"bottleneck_ratios (={self.bottleneck_ratios}) must have {len(self.widths)} entries, one per width",
        )
        for ratio in self.bottleneck_ratios:
            require(0 < ratio <= 4, f"bottleneck_ratios (={self.bottleneck_ratios}) must be in (0, 4]")
        for inner, group in zip(self.bottleneck_widths, self.group_widths, strict=True):
            require(inner >= 1, f"bottleneck_ratios (={self.bottleneck_ratios}) must leave a width of at least 1")
            require(inner % group == 0, f"group_widths (={group}) must divide the bottleneck width (={inner})")

    @property
    def bottleneck_widths(self) -> tuple[int, ...]:
        """Inner width of each stage's blocks."""
        return tuple(round(width * ratio) for width, ratio in zip(self.widths, self.bottleneck_ratios, strict=True))


def sample(answers: Answers) -> Config:
    """RegNets of depth 2 to 8 in at most 4 stages: 8,694 networks, 0.2 to 19 MMACs at 28 pixels.

    16,128 lines can be drawn. After rounding to stages and groups, nearly half of them equal another one.
    """
    depths, widths = quantised_line(
        slope=answers.suggest_int("w_a", 4, 32, step=4),
        initial_width=answers.suggest_int("w_0", 8, 32, step=8),
        step=choose(answers, "w_m", [1.5, 2.0, 2.5, 3.0]),
        depth=answers.suggest_int("depth", 2, 8),
        most_stages=4,
    )
    group_width = choose(answers, "group_width", [4, 8, 16])
    ratio = choose(answers, "bottleneck_ratio", [0.5, 1.0])
    multiple = round(group_width / ratio)
    stages = len(widths)
    return Config(
        depths=depths,
        widths=tuple(max(multiple, round(width / multiple) * multiple) for width in widths),
        group_widths=(group_width,) * stages,
        bottleneck_ratios=(ratio,) * stages,
        stem="small",
        stem_width=choose(answers, "stem_width", [8, 16, 32]),
    )


def _anynet(rung: AnyNet) -> Callable[[Answers], Config]:
    """Four free stages, with one more constraint from each space to the next (section 3 of the paper).

    a: depth, width, bottleneck ratio and group width of every stage are free;
       207,360,000 networks, 0.9 to 83 MMACs at 28 pixels.
    b: one ratio for all stages; 25,920,000 networks, 0.9 to 83 MMACs at 28 pixels.
    c: also one group width; 960,000 networks, 0.9 to 83 MMACs at 28 pixels.
    d: widths do not decrease; 107,520 networks, 0.9 to 83 MMACs at 28 pixels.
    e: depths do not decrease; 14,700 networks, 0.9 to 83 MMACs at 28 pixels.
    """

    def sample(answers: Answers) -> Config:
        stages = range(1, STAGES + 1)
        if rung in ("d", "e"):
            widths = _rising(WIDTHS)[answers.suggest_int("widths", 0, len(_rising(WIDTHS)) - 1)]
        else:
            widths = tuple(choose_number(answers, f"width_{stage}", WIDTHS) for stage in stages)
        if rung == "e":
            depths = _rising(DEPTHS)[answers.suggest_int("depths", 0, len(_rising(DEPTHS)) - 1)]
        else:
            depths = tuple(choose_number(answers, f"depth_{stage}", DEPTHS) for stage in stages)
        shared_ratio = None if rung == "a" else choose(answers, "bottleneck_ratio", RATIOS)
        shared_group = None if rung in ("a", "b") else choose(answers, "group_width", GROUP_WIDTHS)
        return Config(
            depths=depths,
            widths=widths,
            group_widths=tuple(shared_group or choose(answers, f"group_width_{s}", GROUP_WIDTHS) for s in stages),
            bottleneck_ratios=tuple(shared_ratio or choose(answers, f"bottleneck_ratio_{s}", RATIOS) for s in stages),
            stem="small",
            stem_width=16,
        )

    sample.__doc__ = _anynet.__doc__
    return sample


def _rising(values: range) -> list[tuple[int, ...]]:
    """All non-decreasing assignments of values to stages, smaller ones first."""
    return list(combinations_with_replacement(values, STAGES))


def quantised_line(
    slope: float, initial_width: int, step: float, depth: int, most_stages: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Stage depths and widths of a RegNet (equations 2 to 4 of the paper).

    Block j has u_j = initial_width + slope * j. Its exponent s_j = log(u_j / initial_width) / log(step) is rounded, and
    blocks with the same exponent form a stage of width initial_width * step^s. Unlike in the paper, exponents from
    `most_stages` - 1 upwards form one last stage, so that small images are not halved too often.
    """
    counts: dict[int, int] = {}
    for block in range(depth):
        exponent = round(math.log((initial_width + slope * block) / initial_width) / math.log(step))
        counts[exponent] = counts.get(exponent, 0) + 1
    exponents = sorted(counts)[:most_stages]
    depths = [counts[exponent] for exponent in exponents]
    depths[-1] += depth - sum(depths)
    return tuple(depths), tuple(round(initial_width * step**exponent) for exponent in exponents)


def build(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """The network as a Sequential: (N, in_channels, H, W) -> (N, num_classes)."""
    return _residual.build(_network(config), in_channels, num_classes)


def walk(config: Config, ledger: Ledger, num_classes: int) -> None:
    """Add the network's cost to the ledger."""
    _residual.walk(_network(config), ledger, num_classes)


def _network(config: Config) -> Residual:
    stages = tuple(
        Stage(depth, width, 2, inner, inner // group)
        for depth, width, inner, group in zip(
            config.depths, config.widths, config.bottleneck_widths, config.group_widths, strict=True
        )
    )
    return Residual(config.stem, config.stem_width, stages, conv_bias=config.conv_bias)


REFERENCES = {
    "regnetx32": Reference(
        Config((4, 6), (32, 80), (16, 16), (1.0, 1.0), conv_bias=True),
        96,
        179_290,
        40_293_152,
        "D2L 8.8",
    ),
    "regnet-small": Reference(
        Config((1, 2, 3), (16, 32, 80), (8, 8, 8), (1.0, 1.0, 1.0), stem="small", stem_width=16),
        28,
        68_186,
        2_097_184,
        "this project",
    ),
}

SUBSPACES = {f"anynet-{rung}": _anynet(rung) for rung in get_args(AnyNet)}

FAMILY = Family("regnet", "RegNetX", Config, sample, build, walk, REFERENCES, SUBSPACES)
