"""Figures for information: they have no decision rule and are not judged.

They are measured like parts. Their 95 % intervals are not adjusted for multiple comparisons.
"""

from typing import assert_never

import search_spaces
from pipeline.claims.calculations.registry import figures
from pipeline.claims.catalogue import Catalogue
from pipeline.claims.estimates import ClaimRecords, estimate, unscaled
from pipeline.claims.parts import (
    BACKWARD_MEMORY,
    Beside,
    CalculatedFigure,
    CostRatio,
    Ranking,
    TimedContrast,
    TrainedContrast,
)
from pipeline.claims.verdicts import Aside
from pipeline.cost.memory import saved_bytes_per_sample
from pipeline.cost.table import count_costs
from pipeline.errors import UsageError
from pipeline.running.plans import as_reference, native_resolution, resolve_network

CHANNELS, CLASSES, PIXELS = 1, 10, 28
"""Shape of Fashion-MNIST, for which the costs of arms are counted."""


def asides_of(identifier: str, catalogue: Catalogue, evidence: ClaimRecords) -> tuple[Aside, ...]:
    """The figures of one claim. Raises UsageError if a calculation lacks one of them."""
    return tuple(_aside(item, identifier, catalogue, evidence) for item in catalogue.claims[identifier].beside)


def _aside(item: Beside, identifier: str, catalogue: Catalogue, evidence: ClaimRecords) -> Aside:
    match item:
        case CalculatedFigure():
            found = figures(item.calculation)
            if item.figure not in found:
                raise UsageError(
                    f"{identifier}: {item.calculation} has no figure {item.figure!r}; it has {', '.join(found)}"
                )
            return Aside(item.measure, found[item.figure], item.unit, scale=item.scale)
        case CostRatio():
            one, other = (cost_of_arm(catalogue, item.experiment, arm, item.cost) for arm in (item.of, item.over))
            return Aside(item.measure, one / other, item.unit)
        case TrainedContrast() | TimedContrast() | Ranking():
            return _contrast(item, catalogue, evidence)
        case _:
            assert_never(item)


def cost_of_arm(catalogue: Catalogue, experiment: str, arm: str, cost: str) -> int:
    """A cost of an experiment's arm for one image, or the bytes that autograd saves for the backward pass."""
    network = catalogue.experiments[experiment].arms[arm].network
    family, config, reference = resolve_network(*as_reference(network, arm))
    resolution = native_resolution(reference, PIXELS)
    if cost == BACKWARD_MEMORY:
        model = search_spaces.instantiate(family, config, resolution, CHANNELS, CLASSES, device="meta")
        return saved_bytes_per_sample(model, CHANNELS, resolution)
    return int(count_costs(search_spaces.price(family, config, resolution, CHANNELS, CLASSES))[cost])


def _contrast(item: TrainedContrast | TimedContrast | Ranking, catalogue: Catalogue, evidence: ClaimRecords) -> Aside:
    found = estimate(item, catalogue, evidence)
    if found is None or found.contrast is None:
        return Aside(item.measure, None, item.unit)
    low, high = (unscaled(item.scale, end) for end in found.contrast.interval)
    return Aside(
        measure=item.measure,
        effect=unscaled(item.scale, found.contrast.mean),
        unit=item.unit,
        interval=(low, high),
        n=found.contrast.n,
        scale=found.setting,
        cautions=found.cautions,
    )
