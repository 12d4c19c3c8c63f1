"""A population: networks drawn at random from design spaces and trained, for studying search.

`python -m benchmarks.population` trains it for hours; run it again to resume. It writes finished networks to
reports/published/population/table.json, with costs and the error after each epoch. Some networks have several seeds, to
measure noise. `convstudy bench-search` simulates searches on the population. `benchmarks.full_trainings` trains some of
its networks on all images, to measure how well the short training ranks networks.
"""

import datetime
from dataclasses import replace

from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.evidence.population import POPULATION, TABLE, PopulationTable, TableNetwork
from pipeline.evidence.records import Membership, RunSpec
from pipeline.evidence.store import RunFolder
from pipeline.evidence.study_records import Budget, SearchPlan, Trial
from pipeline.files import write_json
from pipeline.machine import hardware, resolve_device, versions
from pipeline.process import run_and_exit
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.requests import Request
from pipeline.running.workers import prepare_workers
from pipeline.schema import to_json
from pipeline.search.candidates import spec_of
from pipeline.search.estimate import search_workers
from pipeline.search.plans import plan_search
from pipeline.search.searches import search
from pipeline.search.storage import storage_url
from pipeline.search.studies import Studies
from pipeline.tracking.content import SEARCH_EXPERIMENT
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace, current_workspace

SPACES = ("resnet", "resnext", "densenet")
NETWORKS = 300
SEEDED_NETWORKS = 60
"""The first of NETWORKS, which are also trained with MORE_SEEDS."""
MORE_SEEDS = (1, 2)
MOST_MACS = 8_000_000
RECIPE = Recipe(epochs=9, batch_size=64, train_images=6000, validation_images=4000, train_loss_images=500)


def train_population(workspace: Workspace) -> None:
    """Train unfinished networks, and update the table after each."""
    prepare_workers()
    manifest = load_manifest(workspace.prepared_data / "fashion-mnist")
    plan = population_plan(manifest)
    search(workspace, manifest, plan, Budget(trials=NETWORKS), name=POPULATION, options=RunnerOptions())
    complete = [trial for trial in write_table(workspace, plan) if trial.state == "complete"]
    specs = [
        (trial.number, replace(spec_of(plan, trial.config), seed=seed))
        for trial in complete[:SEEDED_NETWORKS]
        for seed in MORE_SEEDS
    ]
    display = Display("further trainings", len(specs))
    with open_runner(workspace, manifest, plan.device, display, RunnerOptions(search_workers(plan))) as runner:
        for number, spec in specs:
            member = Membership(SEARCH_EXPERIMENT, POPULATION, "finalist")
            runner.submit(Request(spec, f"trial {number}", member))
        for _ in runner.outcomes():
            write_table(workspace, plan)


def population_plan(manifest: Manifest) -> SearchPlan:
    """A random search over all spaces; every network is trained for all epochs."""
    limits = Limits(macs=MOST_MACS)
    device = resolve_device()
    return plan_search(SPACES, RECIPE, manifest, device, limits=limits, sampler="random", halving=False)


def write_table(workspace: Workspace, plan: SearchPlan) -> list[Trial]:
    """Write finished networks to the published table; returns the study's trials."""
    with Studies(storage_url(workspace, None), workspace.locks) as studies:
        trials = studies.open(POPULATION).trials()
    networks = []
    for trial in trials:
        if trial.state != "complete":
            continue
        curves = {
            str(seed): curve(workspace, replace(spec_of(plan, trial.config), seed=seed))
            for seed in (plan.seed, *MORE_SEEDS)
        }
        networks.append(
            TableNetwork(
                number=trial.number,
                config=trial.config,
                values=trial.values,
                costs=trial.costs,
                errors={seed: errors for seed, errors in curves.items() if errors is not None},
                train_seconds=trial.train_seconds,
            )
        )
    table = PopulationTable(
        plan=plan,
        networks=tuple(networks),
        failed=sum(trial.state == "failed" for trial in trials),
        hardware=hardware(plan.device),
        versions=versions(),
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    write_json(workspace.published / TABLE, to_json(table))
    return trials


def curve(workspace: Workspace, spec: RunSpec) -> tuple[float, ...] | None:
    """The validation errors of a run after each epoch; None if it is not complete."""
    result = RunFolder(workspace.runs / spec.hash).result()
    if result is None or result.state != "complete":
        return None
    return tuple(epoch.validation_error_percent for epoch in result.history)


if __name__ == "__main__":
    run_and_exit(lambda: train_population(current_workspace()))
