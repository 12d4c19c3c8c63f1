"""dvc.yaml against the code: every stage depends on what it imports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

import search_spaces

CHECKOUT = Path(__file__).parents[1]
STAGES: dict[str, Any] = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text())["stages"]
GRAPH = grimp.build_graph("pipeline", "search_spaces", exclude_type_checking_imports=True, cache_dir=None)
FOUND_BY_NAME = {
    "search_spaces": {f"search_spaces.{name}" for name in search_spaces.names()},
    "pipeline.claims.calculations.registry": GRAPH.find_children("pipeline.claims.calculations"),
}
"""Modules that are imported by the names of their files, by the module that does so."""

TRAINING = ("reproduce", "experiment", "search", "finalists")
JUDGING = ("judge", "report")
ONLY_FOR = {
    "pipeline.reporting": ("report",),  # elsewhere: charts for MLflow's pages
    "pipeline.settings": ("plan", "judge"),  # others read plans, or values that are DVC's params
    "pipeline.data.sources": ("prepare",),  # others know prepared data by their name
    "pipeline.claims.experiments": ("plan", *JUDGING),  # the simulation counts parts of claims
    "pipeline.claims.asides": JUDGING,
    "pipeline.search.samplers": ("search", "finalists", "report"),  # the plan makes one only to check that it can be
    "pipeline.search.custom_samplers": ("search", "finalists"),  # the report draws parameters, and samples nothing
    "pipeline.cost.table": tuple(stage for stage in STAGES if stage != "simulation"),  # as above: it compares no costs
    "pipeline.claims.calculations": JUDGING,
    "pipeline.evidence": ("plan", *TRAINING, *JUDGING),  # elsewhere: for types
}
"""Code that changes what these stages write, and not what others write that import it: for a type, or a name."""
IMPORTS_ONLY_FOR = {
    "pipeline.training": TRAINING,  # others use a single function or name, and train nothing
    "pipeline.running.plans": ("plan", "judge", *TRAINING),  # others read plans, and names of networks
}
"""Code that others use as well, but not what that code imports."""


def module_of(path: str) -> str:
    return path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")


def is_below(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


IGNORED = [module_of(line[1:]) for line in (CHECKOUT / ".dvcignore").read_text().splitlines() if "/pipeline" in line]
"""Code that changes no output, so that DVC does not look into it."""


def concerns(rules: Mapping[str, Sequence[str]], module: str, stage: str) -> bool:
    return all(stage in stages for package, stages in rules.items() if is_below(module, package))


def needed(stage: str) -> set[str]:
    """The modules that can change what a stage writes."""
    found: set[str] = set()
    waiting = {f"pipeline.stages.{stage}"}
    while waiting:
        module = waiting.pop()
        ignored = any(is_below(module, package) for package in IGNORED)
        if module in found or ignored or not concerns(ONLY_FOR, module, stage):
            continue
        found.add(module)
        waiting |= FOUND_BY_NAME.get(module, set())
        if concerns(IMPORTS_ONLY_FOR, module, stage):
            waiting |= GRAPH.find_modules_directly_imported_by(module)
    return found


def missing(stage: str, listed: Sequence[str]) -> set[str]:
    """The modules that a stage needs and none of its dependencies covers."""
    modules = [module_of(path) for path in listed if not path.endswith("__init__.py")]
    covered = {module for module in needed(stage) if any(is_below(module, package) for package in modules)}
    return needed(stage) - covered - {module_of(path) for path in listed}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_code_that_can_change_what_it_writes(stage: str) -> None:
    assert missing(stage, STAGES[stage]["deps"]) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_code_that_cannot(stage: str) -> None:
    code = {path for path in STAGES[stage]["deps"] if path.startswith(("pipeline", "search_spaces"))}
    assert {path for path in code if not any(is_below(module, module_of(path)) for module in needed(stage))} == set()


@pytest.mark.parametrize(
    ("stage", "path", "module"),
    [
        ("timing", "pipeline/claims/timings", "pipeline.claims.timings.measuring"),  # imported in a function
        ("profile", "search_spaces", "search_spaces.nin"),  # imported by its name
        ("judge", "pipeline/claims", "pipeline.claims.calculations.blocks"),
        ("search", "pipeline/training", "pipeline.training.loop"),  # by way of others
    ],
)
def test_a_dependency_that_is_left_out_is_missed(stage: str, path: str, module: str) -> None:
    assert module in missing(stage, [other for other in STAGES[stage]["deps"] if other != path])


def test_no_stage_goes_stale_by_what_a_terminal_or_mlflow_shows() -> None:
    for stage in STAGES:
        shown = {module for module in needed(stage) if "display" in module or is_below(module, "pipeline.tracking")}
        shown |= {module for module in needed(stage) if is_below(module, "pipeline.reporting")}
        assert not shown or (stage == "report" and all(is_below(module, "pipeline.reporting") for module in shown))


def test_every_exception_excepts_something() -> None:
    for package in IGNORED:
        assert package in GRAPH.modules, package
    for rules in (ONLY_FOR, IMPORTS_ONLY_FOR):
        for package, stages in rules.items():
            importing = {stage for stage in STAGES for module in GRAPH.find_upstream_modules(f"pipeline.stages.{stage}")
                         if is_below(module, package)}  # fmt: skip
            assert set(stages) < importing, package
