"""Design families, one per file. The directory is the registry.

`names()` lists the modules without a leading underscore. Each has a `FAMILY`. References (published networks and our
own for small images) are found by name among all families.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from pipeline.errors import UsageError, unknown_name
from search_spaces._base import Answers, Family, Reference
from search_spaces._ledger import Ledger, Price, TooSmallError
from search_spaces._space import PART, Design, Parameter, Space

__all__ = [
    "PART",
    "Answers",
    "Design",
    "Family",
    "Ledger",
    "Parameter",
    "Price",
    "Reference",
    "Space",
    "TooSmallError",
    "design",
    "family",
    "instantiate",
    "names",
    "part_of",
    "price",
    "reference",
    "references",
    "smallest_resolution",
    "space",
    "space_parts",
]


@functools.cache
def names() -> tuple[str, ...]:
    """Names of all families, in alphabetical order."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")))


@functools.cache
def family(name: str) -> Family:
    """The family of that name; raises UsageError naming the nearest one."""
    if name not in names():
        raise unknown_name("family", name, names())
    found: Family = importlib.import_module(f"search_spaces.{name}").FAMILY
    return found


@functools.cache
def references() -> dict[str, tuple[Family, Reference]]:
    """All references by name, with their families."""
    return {
        name: (member, reference) for member in map(family, names()) for name, reference in member.references.items()
    }


def reference(name: str) -> tuple[Family, Reference]:
    """The reference of that name and its family; raises UsageError naming the nearest one."""
    if name not in references():
        raise unknown_name("network", name, references())
    return references()[name]


@functools.cache
def space_parts() -> dict[str, tuple[Family, Callable[[Answers], Any]]]:
    """All design spaces by name: each family, and the named parts of families."""
    parts: dict[str, tuple[Family, Callable[[Answers], Any]]] = {}
    for member in map(family, names()):
        parts[member.name] = (member, member.sample)
        parts |= {name: (member, sample) for name, sample in member.subspaces.items()}
    return parts


def space(wanted: Sequence[str]) -> Space:
    """The union of these design spaces; raises UsageError naming the nearest one."""
    for name in wanted:
        if name not in space_parts():
            raise unknown_name("design space", name, space_parts())
    if not wanted or len(set(wanted)) != len(wanted):
        raise UsageError(f"design spaces (={', '.join(wanted)}) must be at least one, each named once")
    return Space({name: space_parts()[name] for name in wanted})


def part_of(params: Mapping[str, Any]) -> str:
    """The part of a space from which parameters come: the value of "space" in a mixed space, else their prefix."""
    return str(params.get(PART) or next(iter(params), "").partition(".")[0])


def design(params: Mapping[str, Any]) -> Design:
    """The network that parameters describe, such as those of an Optuna trial: its family and its Config.

    Args:
        params: parameter -> value, with names as in "resnet.depth_1"; those the network does not have are ignored.

    Raises:
        UsageError: the parameters are of no known space, or one that the network needs is missing.
    """
    part = part_of(params)
    try:
        return space([part]).design(params)
    except KeyError as error:
        raise UsageError(f"parameter {error.args[0]} of the design space {part} is missing") from error


def price(member: Family, config: Any, resolution: int, channels: int = 1, classes: int = 10) -> Price:
    """Exact counts of a network, without building it (about a millisecond).

    Raises UsageError, with the network's smallest input, if `resolution` (pixels) is smaller.
    """
    ledger = Ledger(channels, resolution)
    try:
        member.walk(config, ledger, classes)
    except TooSmallError as error:
        smallest = smallest_resolution(member, config)
        raise UsageError(f"{member.name}: {error}; its smallest input is {smallest} pixels") from error
    return ledger.price()


def smallest_resolution(member: Family, config: Any) -> int:
    """Side in pixels of the smallest square image for which all layers of the network have an output."""
    for side in range(1, 1025):
        try:
            member.walk(config, Ledger(1, side), 10)
        except TooSmallError:
            continue
        return side
    raise UsageError(f"{member.name}: no input up to 1024 pixels is large enough for this config")


def instantiate(
    member: Family,
    config: Any,
    resolution: int,
    channels: int = 1,
    classes: int = 10,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Build a network and fix its lazy layers to `resolution` with a forward pass in eval mode, as the source does.

    Weights have PyTorch's default values; `pipeline.training.initialisation` sets those of a recipe. On the device
    "meta" the network has shapes but no memory.
    """
    price(member, config, resolution, channels, classes)  # raises UsageError for too small inputs
    with torch.device(device):
        model = member.build(config, channels, classes)
        model.eval()
        with torch.no_grad():
            model(torch.zeros(1, channels, resolution, resolution))
    return model.train()
