"""Costs that only a built network has. Latency is measured while no other training runs."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from pipeline.cost.table import COSTS, Conditions, Cost
from pipeline.evidence.study_records import SearchPlan
from pipeline.files import canonical_json, sha256_text
from pipeline.search.gate import MeasuredCosts, described
from search_spaces import Design

Quiet = Callable[[], AbstractContextManager[object]]
"""Pauses the trainings on this machine for a block (`Runner.paused`)."""


def measured_costs(plan: SearchPlan, quiet: Quiet = nullcontext) -> MeasuredCosts:
    """A function that measures the costs that the plan limits or minimises; empty if there are none.

    Timed costs are measured last, inside `quiet()`, and not at all for a network over another limit.
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
    """Whether the plan limits or minimises a timed cost."""
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
    """Measures each network of a study once, so that no network over a limit passes in a second, luckier measurement.

    `known` holds the costs measured so far, by network. `keep` is called with each new measurement.
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
