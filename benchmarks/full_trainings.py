"""Full trainings of some of the population's networks, to learn how well its short one ranks them.

`python -m benchmarks.full_trainings` trains the first networks of the published table on all training images, and
writes reports/published/population/full.json after each. What stands there already is not trained again, whichever
machine it came from.
"""

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic.dataclasses import dataclass

from benchmarks.population import STUDY, TABLE, PopulationTable, curve
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.evidence.records import Membership, RunSpec
from pipeline.evidence.tracking_content import SEARCH_EXPERIMENT
from pipeline.files import write_json
from pipeline.machine import default_workers, hardware, resolve_device, resolve_precision, versions
from pipeline.process import prepare_workers, run_and_exit
from pipeline.schema import STRICT, read_record, to_json
from pipeline.search.candidates import spec_of
from pipeline.search.display import Display
from pipeline.search.runner import Request
from pipeline.search.session import open_runner
from pipeline.training.recipe import Precision, Recipe
from pipeline.workspace import Workspace, workspace

FULL = Path(STUDY, "full.json")
"""Where they lie in reports/published."""
NETWORKS = 40
RECIPE = Recipe(epochs=10, batch_size=64, validation_images=4000, train_loss_images=500)


@dataclass(frozen=True, config=STRICT)
class FullTraining:
    """Validation errors in percent of the table's network `number` after each epoch."""

    number: int
    errors: tuple[float, ...]
    precision: Precision


@dataclass(frozen=True, config=STRICT)
class FullTrainings:
    """`full.json`: how they were trained, on how many images, and on which machines.

    The precision is that of each machine ("auto"), which ranks hardly depend on: it is recorded with each training.
    """

    recipe: Recipe
    train_images: int
    networks: tuple[FullTraining, ...]
    hardware: tuple[dict[str, str], ...]
    versions: dict[str, str]
    finished_at: str


def train_in_full(place: Workspace) -> None:
    """Train those of the first networks that full.json lacks; stopped, it goes on when called again."""
    prepare_workers()
    manifest, device = load_manifest(place.prepared_data / "fashion-mnist"), resolve_device()
    table = read_record(PopulationTable, place.published / TABLE)
    found = read_record(FullTrainings, place.published / FULL) if (place.published / FULL).exists() else None
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
    with open_runner(place, manifest, device, display, default_workers(device)) as runner:
        for number, spec in specs.items():
            runner.submit(Request(spec, f"trial {number}", Membership(SEARCH_EXPERIMENT, STUDY, "finalist")))
        for _ in runner.outcomes():
            trained = [*finished.values(), *_trained(place, specs)]
            write_json(place.published / FULL, to_json(_record(recipe, manifest, trained, machines)))


def _trained(place: Workspace, specs: dict[int, RunSpec]) -> list[FullTraining]:
    curves = {number: curve(place, spec) for number, spec in specs.items()}
    return [
        FullTraining(number, errors, specs[number].recipe.precision)
        for number, errors in curves.items()
        if errors is not None
    ]


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
    )


if __name__ == "__main__":
    run_and_exit(lambda: train_in_full(workspace()))
