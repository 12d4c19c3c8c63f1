"""Costs that only a built network has: latency, timed while the workers stand still, and memory of a training step."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import search_spaces
from pipeline.cost.latency import latency_seconds
from pipeline.cost.limits import Cost
from pipeline.cost.memory import training_memory
from pipeline.evidence.study_records import SearchPlan
from pipeline.files import canonical_json, sha256_text
from pipeline.search.gate import MeasuredCosts, described
from search_spaces import Design

TIMED_SECONDS = 0.2
THREADS = 1


Quiet = Callable[[], AbstractContextManager[object]]
"""Keeps trainings off this machine for a block (`Runner.paused`)."""


def measured_costs(plan: SearchPlan, quiet: Quiet = nullcontext) -> MeasuredCosts:
    """The function that measures what the plan limits or minimises; one that gives nothing where that is nothing.

    Latency: seconds of one image in eval mode, float32, one thread, median, timed inside `quiet()`. Memory: of one
    training step at the recipe's batch, as `pipeline.cost.memory` has it for a CPU (saved tensors, weights, gradients,
    momentum).
    """
    timed = plan.limits.latency_seconds is not None or "latency" in plan.objectives
    weighed = plan.limits.train_memory_bytes is not None

    def measure(design: Design) -> dict[Cost, float]:
        costs: dict[Cost, float] = {}
        if weighed:
            shapes = search_spaces.instantiate(
                design.family, design.config, plan.resolution, plan.channels, plan.classes, "meta"
            )
            costs["train_memory_bytes"] = training_memory(
                shapes, plan.channels, plan.resolution, plan.recipe.batch_size, "cpu"
            )[0]
        if timed and not any(excess > 0 for excess in plan.limits.excess(costs).values()):
            network = search_spaces.instantiate(
                design.family, design.config, plan.resolution, plan.channels, plan.classes
            )
            with quiet():
                costs["latency_seconds"] = latency_seconds(
                    network, plan.channels, plan.resolution, 1, plan.device, TIMED_SECONDS, THREADS
                )
        return costs

    return measure


def measured_once(
    measure: MeasuredCosts,
    known: dict[str, dict[Cost, float]],
    keep: Callable[[str, dict[Cost, float]], object] = lambda network, costs: None,
) -> MeasuredCosts:
    """Measures each network of a study once: none over a limit passes by another, luckier measurement.

    `known` are the costs that the study's drivers have measured so far, by network; `keep` hears of further ones.
    """

    def recall(design: Design) -> dict[Cost, float]:
        network = sha256_text(canonical_json(described(design)))[:20]
        if network in known:
            return known[network]
        costs = measure(design)
        if costs:
            known[network] = costs
            keep(network, costs)
        return costs

    return recall
