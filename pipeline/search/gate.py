"""The gate of a search: computes a network's costs, before building it if possible, and checks them against limits."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import numpy as np

import search_spaces
from pipeline.cost.table import COSTS, count_costs, shown
from pipeline.errors import UsageError
from pipeline.evidence.study_records import SearchPlan
from pipeline.files import canonical_json
from pipeline.schema import to_json
from search_spaces import Design, Space, TooSmallError

SAMPLE_DRAWS, MOST_MEASURED = 20_000, 12
MeasuredCosts = Callable[[Design], dict[str, float]]
"""Returns the costs that only a built network has; empty if none of them is limited or minimised."""


def described(design: Design) -> dict[str, Any]:
    """A network in the form of a CONFIG.json."""
    return {"family": design.family.name, "config": to_json(design.config)}


def costs_of(design: Design, plan: SearchPlan) -> dict[str, float] | None:
    """The costs known from the Config alone; None if the images are too small for the network."""
    ledger = search_spaces.Ledger(plan.channels, plan.resolution)
    try:
        design.family.walk(design.config, ledger, plan.classes)
    except TooSmallError:
        return None
    return count_costs(ledger.price())


def over(costs: Mapping[str, float], plan: SearchPlan) -> bool:
    """Whether any cost exceeds its limit."""
    return any(excess > 0 for excess in plan.limits.excess(costs).values())


def excess(plan: SearchPlan, design: Design) -> float:
    """The largest cost / limit - 1 over the costs known from the Config; infinite if the images are too small.

    Zero or less if the network is within the limits; -1 if there are no limits.
    """
    costs = costs_of(design, plan)
    return math.inf if costs is None else max(plan.limits.excess(costs).values(), default=-1.0)


def check_limits(plan: SearchPlan, space: Space, measure: MeasuredCosts = lambda design: {}) -> None:
    """Raise UsageError, with the cheapest network and its costs, if no network of the space is within the limits.

    Costs of built networks are measured on three kinds: the network farthest below the other limits, the cheapest
    network in each counted cost, and some random ones.
    """
    least = [space.least(partial(excess, plan))]
    if least[0][1] == math.inf:
        raise UsageError(f"no network of {space.name} works on images of {plan.resolution} pixels")
    if least[0][1] <= 0:
        counted = [key for key, cost in COSTS.items() if cost.count is not None]
        least += [space.least(partial(_count, key, plan)) for key in counted]
    known = [(design, cast(dict[str, float], costs_of(design, plan))) for design, _ in least]
    tried = [(design, costs | measure(design)) for design, costs in known]
    if any(not over(costs, plan) for _, costs in tried):
        return
    for design in sampled_within(plan, space, SAMPLE_DRAWS):
        tried.append((design, cast(dict[str, float], costs_of(design, plan)) | measure(design)))
        if not over(tried[-1][1], plan) or len(tried) > MOST_MEASURED:
            break
    if any(not over(costs, plan) for _, costs in tried):
        return
    design, costs = min(tried, key=lambda pair: max(plan.limits.excess(pair[1]).values()))
    broken = {key: plan.limits.given[key] for key, value in plan.limits.excess(costs).items() if value > 0}
    raise UsageError(
        f"no network of {space.name} was found within the limits ({shown(broken)}); the cheapest has {shown(costs)}: "
        f"{canonical_json(described(design))}"
    )


def _count(key: str, plan: SearchPlan, design: Design) -> float:
    costs = costs_of(design, plan)
    return math.inf if costs is None else costs[key]


def sample_within(plan: SearchPlan, space: Space, count: int) -> list[dict[str, Any]]:
    """Up to `count` random networks within the limits, considering only costs known from the Config."""
    found = itertools.islice(sampled_within(plan, space, SAMPLE_DRAWS), count)
    return [described(design) for design in found]


def sampled_within(plan: SearchPlan, space: Space, draws: int) -> Iterator[Design]:
    """Draws `draws` random networks and yields those within the limits on costs known from the Config."""
    generator = np.random.default_rng(plan.seed)
    for _ in range(draws):
        design = space.design(space.draw(generator))
        costs = costs_of(design, plan)
        if costs is not None and not over(costs, plan):
            yield design
