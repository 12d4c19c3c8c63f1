"""Plans of searches, resolved and checked before anything is trained."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from pydantic.dataclasses import dataclass

import search_spaces
from pipeline.cost.limits import NO_LIMITS, Limits
from pipeline.cost.table import objective_names
from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError, unknown_name
from pipeline.evidence.study_records import SAMPLERS, SearchPlan
from pipeline.files import canonical_json, sha256_text
from pipeline.machine import DeviceKind, resolve_precision
from pipeline.running.halving import rungs
from pipeline.running.plans import check_batch
from pipeline.schema import STRICT, to_json
from pipeline.search.gate import check_limits
from pipeline.search.measured_costs import measured_costs
from pipeline.search.samplers import make_sampler
from pipeline.settings import FinalistsSettings, SearchEntry, Settings
from pipeline.training.recipe import Recipe
from search_spaces import Space


class SearchKind(NamedTuple):
    """A kind of search for which samplers are compared: with or without costs among the objectives, and halving."""

    costs: bool
    halving: bool


AUTO: dict[SearchKind, str] = {
    SearchKind(costs=True, halving=True): "tpe",
    SearchKind(costs=True, halving=False): "qmc",
    SearchKind(costs=False, halving=True): "qmc",
    SearchKind(costs=False, halving=False): "qmc",
}
"""The result of `benchmarks.search_verdict.auto` for the published comparison."""
REDUCTION = 3


@dataclass(frozen=True, config=STRICT)
class PlannedSearch:
    """The work of the stages `search` and `finalists` for one entry of a profile."""

    schema: Literal["planned-search/1"]
    study: str
    plan: SearchPlan
    trials: int
    finalists: FinalistsSettings


def plan_searches(
    settings: Settings, profile_name: str, manifest: Manifest, device: DeviceKind
) -> dict[str, PlannedSearch]:
    """The searches of a profile, by family; raises UsageError if an entry is impossible."""
    entries = settings.profile_named(profile_name).searches
    for family in entries:
        search_spaces.family(family)
    return {
        family: plan_entry(family, entry, settings, profile_name, manifest, device) for family, entry in entries.items()
    }


def plan_entry(
    family: str, entry: SearchEntry, settings: Settings, profile_name: str, manifest: Manifest, device: DeviceKind
) -> PlannedSearch:
    """Resolve one search of a profile."""
    plan = plan_search(
        entry.space or (family,),
        settings.search_recipe(profile_name, entry.recipe),
        manifest,
        device,
        objectives=read_objectives(",".join(entry.objectives)),
        limits=entry.limits,
        sampler=entry.sampler,
        halving=entry.halving,
        seed=entry.seed,
    )
    return PlannedSearch("planned-search/1", default_name(plan), plan, entry.trials, entry.finalists)


def plan_search(
    parts: Sequence[str],
    recipe: Recipe,
    manifest: Manifest,
    device: DeviceKind,
    *,
    objectives: Sequence[str] = ("error", "macs"),
    limits: Limits = NO_LIMITS,
    sampler: str = "auto",
    halving: bool = True,
    seed: int = 0,
    warm_start: str | None = None,
) -> SearchPlan:
    """Resolve the plan of a search; raises UsageError if it is impossible, such as limits that no network meets."""
    space = search_spaces.space(parts)
    if sampler != "auto":
        check_sampler(sampler)
    if "error" not in objectives or len(set(objectives)) != len(objectives):
        raise UsageError(f"objectives (={','.join(objectives)}) must name error, and each objective once")
    halving = halving and recipe.epochs > 1
    resolution = recipe.resolution or manifest.image_shape[-1]
    there_are = manifest.counts["train"]
    check_batch(recipe, manifest, space.name)
    if recipe.batch_size < 2:
        raise UsageError(f"{space.name}: batch_size (=1) must be at least 2: a network may have batch norm")
    plan = SearchPlan(
        schema="search-plan/1",
        space=tuple(parts),
        space_sha256=space_digest(space),
        data=manifest.name,
        data_fingerprint=manifest.fingerprint,
        resolution=resolution,
        channels=manifest.image_shape[0],
        classes=len(manifest.class_names),
        recipe=replace(
            recipe,
            resolution=resolution,
            precision=resolve_precision(recipe.precision, device),
            train_images=min(recipe.train_images or there_are, there_are),
        ),
        objectives=("error", *(objective for objective in objectives if objective != "error")),
        limits=limits,
        sampler=AUTO[SearchKind(len(objectives) > 1, halving)] if sampler == "auto" else sampler,
        seed=seed,
        rungs=rungs(recipe.epochs, REDUCTION if halving else None),
        reduction=REDUCTION if halving else None,
        device=device,
        warm_start=warm_start,
    )
    check_limits(plan, space, measured_costs(plan))
    return plan


def check_sampler(name: str) -> None:
    """Raise UsageError if there is no sampler of that name, or a custom one cannot be made."""
    if name in SAMPLERS:
        return
    if ":" not in name:
        raise UsageError(f"unknown sampler {name!r}: known: auto, {', '.join(SAMPLERS)}, or your own as module:Class")
    make_sampler(name, seed=0)


def space_digest(space: Space) -> str:
    """A digest that changes when the space's parameters or their values change."""
    return sha256_text(canonical_json([[p.name, p.values, p.step] for p in space.parameters]))[:12]


def default_name(plan: SearchPlan) -> str:
    """Families, data, and a short hash of the plan, without the state of a warm start."""
    named = replace(plan, warm_start=plan.warm_start and plan.warm_start.rsplit(":", 2)[0])
    return f"{'+'.join(plan.space)}-{plan.data}-{sha256_text(canonical_json(to_json(named)))[:8]}"


def in_force(stored: SearchPlan, wanted: SearchPlan, name: str) -> SearchPlan:
    """The plan of the resumed study `name`; raises UsageError that lists the differences from the wanted plan.

    If the wanted warm start has the same name, the study keeps the state of the warm start it began with.
    """
    stored_name, wanted_name = (plan.warm_start and plan.warm_start.rsplit(":", 2)[0] for plan in (stored, wanted))
    different = differences(
        stored, replace(wanted, warm_start=stored.warm_start) if stored_name == wanted_name else wanted
    )
    if different:
        raise UsageError(
            f"study {name} was made with other settings ({'; '.join(different)}): "
            "give those settings, another --study, or --fresh to start over"
        )
    return stored


def differences(stored: SearchPlan, wanted: SearchPlan) -> list[str]:
    """The differences between two plans, one line for each field; nested fields by their path."""
    one, other = _flat(to_json(stored)), _flat(to_json(wanted))
    return [
        f"{key}: {one.get(key)!r} in the study, {other.get(key)!r} now" for key in other if one.get(key) != other[key]
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{prefix}.{key}".lstrip(".")).items()}


def read_objectives(text: str) -> list[str]:
    """Parse objectives joined by commas; raises UsageError that names the nearest known objective."""
    known = objective_names()
    wanted = [name.strip() for name in text.split(",")]
    for name in wanted:
        if name not in known:
            raise unknown_name("objective", name, known)
    return wanted
