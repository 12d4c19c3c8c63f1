"""Baselines of a finalist: what is available at its cost without a search.

They are the family's cheapest reference of the same or higher cost, random networks of the same cost, and the best
network of a random search.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import search_spaces
from pipeline.cost.limits import NO_LIMITS
from pipeline.cost.table import main_cost
from pipeline.evidence.finalist_records import Against
from pipeline.evidence.study_records import SearchPlan, StudyRecord, TrialRecord
from pipeline.files import canonical_json
from pipeline.search.gate import MeasuredCosts, costs_of, described, over
from pipeline.search.measured_costs import measured_costs
from pipeline.settings import FinalistsSettings
from pipeline.training.seeding import derive_seed
from search_spaces import Design

SIMILAR_COST = 0.8
"""Random networks cost between this share of the member's cost and the full cost."""
RANDOM_DRAWS, MEASURED_DRAWS = 20_000, 200
"""Maximum number of networks drawn, and of networks built to measure their cost."""


@dataclass(frozen=True)
class Rival:
    """A baseline of a member: the networks to train, and the seeds to train each with."""

    trial: int
    against: Against
    name: str
    macs: int
    configs: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]


def rivals_of(
    plan: SearchPlan,
    members: Sequence[TrialRecord],
    wanted: FinalistsSettings,
    seeds: tuple[int, ...],
    random_search: StudyRecord | None,
    measure: MeasuredCosts,
) -> tuple[list[Rival], list[str]]:
    """The rivals of each member, and one sentence for each requested comparison that is missing or smaller."""
    rivals: list[Rival] = []
    notes: list[str] = []
    for member in members:
        who = f"trial {member.number}"
        reference = _reference(plan, member)
        if reference is None:
            notes.append(f"{who} is compared with no reference: its family has none of the same or higher cost")
        else:
            rivals.append(Rival(member.number, "reference", *reference, seeds))
        drawn = _random_networks(plan, member, wanted.random_networks, measure)
        if len(drawn) < wanted.random_networks:
            notes.append(
                f"{who} is compared with only {len(drawn)} of {wanted.random_networks} random networks: no more were "
                "found at its cost and within the limits"
            )
        if drawn:
            macs = int(np.median([cost for _, cost in drawn]))
            configs = tuple(config for config, _ in drawn)
            rivals.append(Rival(member.number, "random networks", f"{len(drawn)}", macs, configs, seeds[:1]))
        if random_search is not None:
            best = _best_within(plan, random_search, member)
            if best is None:
                notes.append(f"{who} is not compared with a random search, which found no network at or below its cost")
            else:
                macs = int(best.costs["macs"])
                rivals.append(
                    Rival(member.number, "random search", f"trial {best.number}", macs, (best.config,), seeds)
                )
    if wanted.random_networks == 0:
        notes.append("no random networks of the same cost were requested")
    if random_search is None:
        notes.append("no random search of the same compute was requested")
    return rivals, notes


def _reference(plan: SearchPlan, member: TrialRecord) -> tuple[str, int, tuple[dict[str, Any], ...]] | None:
    """The cheapest reference of the member's family with the same or higher cost: name, MACs, Config.

    The search's limits do not apply to references.
    """
    cost = main_cost(plan.objectives).key
    measure = measured_costs(replace(plan, limits=NO_LIMITS))
    family = search_spaces.family(member.config["family"])
    dearer: list[tuple[float, str, Design, int]] = []
    for name, reference in family.references.items():
        design = Design(family, reference.config)
        costs = costs_of(design, plan)
        if costs is None:
            continue
        if cost not in costs:
            costs = {**costs, **measure(design)}
        if costs[cost] >= member.costs[cost]:
            dearer.append((costs[cost], name, design, int(costs["macs"])))
    if not dearer:
        return None
    _, name, design, macs = min(dearer, key=lambda entry: entry[:2])
    return name, macs, (described(design),)


def _random_networks(
    plan: SearchPlan, member: TrialRecord, count: int, measure: MeasuredCosts
) -> list[tuple[dict[str, Any], float]]:
    """Up to `count` random networks of similar cost to the member and within the limits, each with its MACs."""
    cost = main_cost(plan.objectives).key
    space = search_spaces.space(plan.space)
    generator = np.random.default_rng(derive_seed(plan.seed, "finalists", member.number))
    found: dict[str, tuple[dict[str, Any], float]] = {}
    measured = 0
    for _ in range(RANDOM_DRAWS):
        if len(found) >= count or measured >= MEASURED_DRAWS:
            break
        design = space.design(space.draw(generator))
        costs = costs_of(design, plan)
        if costs is None or over(costs, plan) or not _is_similar(costs.get(cost), member.costs[cost]):
            continue
        more = measure(design)
        measured += bool(more)
        costs = {**costs, **more}
        if over(costs, plan) or not _is_similar(costs[cost], member.costs[cost]):
            continue
        config = described(design)
        found.setdefault(canonical_json(config), (config, costs["macs"]))
    return list(found.values())


def _is_similar(cost: float | None, wanted: float) -> bool:
    """Whether a cost is at most the wanted one and close to it; True if the cost is not known yet."""
    return cost is None or SIMILAR_COST <= cost / wanted <= 1


def _best_within(plan: SearchPlan, study: StudyRecord, member: TrialRecord) -> TrialRecord | None:
    """The complete trial of a random search with the lowest error among those that cost no more than the member."""
    cost = main_cost(plan.objectives).key
    within = [trial for trial in study.complete if trial.costs[cost] <= member.costs[cost]]
    return min(within, key=lambda trial: (trial.errors[-1], trial.number), default=None)
