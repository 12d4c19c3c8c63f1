"""Costs that only a built network has; what is timed is measured while the workers stand still."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from pipeline.cost.table import COSTS, Conditions, Cost
from pipeline.evidence.study_records import SearchPlan
from pipeline.files import canonical_json, sha256_text
from pipeline.search.gate import MeasuredCosts, described
from search_spaces import Design

Quiet = Callable[[], AbstractContextManager[object]]
"""Keeps trainings off this machine for a block (`Runner.paused`)."""


def measured_costs(plan: SearchPlan, quiet: Quiet = nullcontext) -> MeasuredCosts:
    """The function that measures what the plan limits or minimises; one that gives nothing where that is nothing.

    What must be timed is timed inside `quiet()`, comes last, and is left out of a network that is over another limit.
    """
    at = Conditions(plan.resolution, plan.channels, plan.classes, plan.recipe.batch_size, plan.device)
    wanted = _wanted(plan)

    def measure(design: Design) -> dict[str, float]:
        costs: dict[str, float] = {}
        for cost in wanted:
            if cost.measure is None or (cost.is_timed and any(over > 0 for over in plan.limits.excess(costs).values())):
                continue
            with quiet() if cost.is_timed else nullcontext():
                costs[cost.key] = cost.measure(design, at)
        return costs

    return measure


def times_networks(plan: SearchPlan) -> bool:
    """Whether a cost that the plan limits or minimises is timed on this machine."""
    return any(cost.is_timed for cost in _wanted(plan))


def _wanted(plan: SearchPlan) -> list[Cost]:
    """The costs that the plan limits or minimises, timed ones last."""
    wanted = (cost for cost in COSTS.values() if cost.key in plan.limits.given or cost in plan.costs)
    return sorted(wanted, key=lambda cost: cost.is_timed)


def measured_once(
    measure: MeasuredCosts,
    known: dict[str, dict[str, float]],
    keep: Callable[[str, dict[str, float]], object] = lambda network, costs: None,
) -> MeasuredCosts:
    """Measures each network of a study once: none over a limit passes by another, luckier measurement.

    `known` are the costs that the study's drivers have measured so far, by network; `keep` hears of further ones.
    """

    def recall(design: Design) -> dict[str, float]:
        network = sha256_text(canonical_json(described(design)))[:20]
        if network in known:
            return known[network]
        costs = measure(design)
        if costs:
            known[network] = costs
            keep(network, costs)
        return costs

    return recall
