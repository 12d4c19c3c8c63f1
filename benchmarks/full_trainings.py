"""Trains some of the population's networks in full, to measure how well the short training ranks them.

`python -m benchmarks.full_trainings` trains the first networks of the published table on all training images. It
updates reports/published/population/full.json after each training. Networks in this file are not trained again, also
those trained on another machine.
"""

import datetime
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.population import curve
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.evidence.population import (
    FULL,
    PLANNED_IN_FULL,
    POPULATION,
    TABLE,
    FullTraining,
    FullTrainings,
    PopulationTable,
    published_full_trainings,
)
from pipeline.evidence.records import Membership, RunSpec
from pipeline.evidence.store import RunStore
from pipeline.files import write_json
from pipeline.machine import hardware, resolve_device, resolve_precision, versions
from pipeline.process import run_and_exit
from pipeline.running.display import Display
from pipeline.running.estimate import trainings_at_once
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.requests import Request
from pipeline.running.workers import prepare_workers
from pipeline.schema import read_record, to_json
from pipeline.search.candidates import spec_of
from pipeline.tracking.content import SEARCH_EXPERIMENT
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace, current_workspace

NETWORKS = PLANNED_IN_FULL
RECIPE = Recipe(epochs=10, batch_size=64, validation_images=4000, train_loss_images=500)


def train_in_full(workspace: Workspace) -> None:
    """Train the networks that full.json lacks. Call it again to resume after an interruption."""
    prepare_workers()
    manifest, device = load_manifest(workspace.prepared_data / "fashion-mnist"), resolve_device()
    table = read_record(PopulationTable, workspace.published / TABLE)
    found = published_full_trainings(workspace)
    recipe = replace(RECIPE, resolution=table.plan.resolution)
    trained_here = replace(recipe, precision=resolve_precision("auto", device))
    finished = {training.number: training for training in found.networks} if found else {}
    specs = {
        network.number: replace(spec_of(table.plan, network.config), recipe=trained_here, device=device)
        for network in table.networks[:NETWORKS]
        if network.number not in finished
    }
    machines = list(found.hardware) if found else []
    machines += [machine for machine in [hardware(device)] if machine not in machines]
    display = Display("full trainings", len(specs))
    options = RunnerOptions(trainings_at_once(list(specs.values()), device))
    with open_runner(workspace, manifest, device, display, options) as runner:
        for number, spec in specs.items():
            runner.submit(Request(spec, f"trial {number}", Membership(SEARCH_EXPERIMENT, POPULATION, "finalist")))
        for _ in runner.outcomes():
            trained = [*finished.values(), *_trained(workspace, specs)]
            write_json(workspace.published / FULL, to_json(_record(recipe, manifest, trained, machines)))


def _trained(workspace: Workspace, specs: dict[int, RunSpec]) -> list[FullTraining]:
    trained = []
    for number, spec in specs.items():
        errors, measurement = curve(workspace, spec), RunStore(workspace.runs).folder(spec.hash).measurement()
        if errors is not None:
            seconds = measurement.train_seconds if measurement else None
            trained.append(FullTraining(number, errors, spec.recipe.precision, seconds))
    return trained


def _record(
    recipe: Recipe, manifest: Manifest, trained: Sequence[FullTraining], machines: Sequence[dict[str, str]]
) -> FullTrainings:
    return FullTrainings(
        recipe=recipe,
        train_images=manifest.splits["train"].count,
        networks=tuple(sorted(trained, key=lambda training: training.number)),
        hardware=tuple(machines),
        versions=versions(),
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        planned=NETWORKS,
    )


if __name__ == "__main__":
    run_and_exit(lambda: train_in_full(current_workspace()))
