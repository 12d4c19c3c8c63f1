"""The conditions of a comparison, in words: protocol, what was held equal, and sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.claims.claim_records import ON_A_GPU
from pipeline.claims.estimates import ClaimRecords, arms_of
from pipeline.claims.experiments import Experiment
from pipeline.cost.table import COSTS
from pipeline.data.manifest import DataSummary
from pipeline.evidence.records import GroupRecord, NetworkRecord
from pipeline.reporting.formatting import listing, number, quantity
from pipeline.search.pareto import front

FEWEST_ON_A_FRONT, LEAST_RANGE = 3, 1.5
"""A Pareto front of arms is reported if at least 3 arms differ in MACs, and the largest has 1.5 times the least."""


def range_of(counts: Sequence[int]) -> str:
    """The range of counts: "5.48k to 431k"."""
    low, high = quantity(min(counts, default=None)), quantity(max(counts, default=None))
    return low if low == high else f"{low} to {high}"


def protocol_of(experiment: Experiment, record: GroupRecord, networks: Sequence[NetworkRecord]) -> dict[str, str]:
    """How these networks were trained, and what was the same for all: label -> text."""
    held = {"Held equal": "; ".join(_equal(experiment, record))}
    if networks:
        recipe, data = networks[0].recipe, record.data
        lengths = dict.fromkeys(
            (n.recipe.epochs, n.recipe.train_images or data.counts.get("train", 0)) for n in networks
        )
        batches = {found.recipe.batch_size for found in networks}
        trained = " or ".join(f"{epochs} epochs of {images:,}" for epochs, images in lengths)
        protocol = [f"{trained} images of {data.name}"]
        protocol += [f"batches of {recipe.batch_size}"] if len(batches) == 1 else []
        protocol += [recipe.optimizer, f"{recipe.schedule} schedule", f"precision {recipe.precision}"]
        held["Protocol"] = ", ".join(protocol)
        held["Learning rate"] = _rates(networks)
        seeds = sorted({run.seed for found in networks for run in found.runs})
        held["Seeds"] = f"{_seeds(seeds)}, the same for all arms"
    return held


def pareto_front(arms: Mapping[str, NetworkRecord]) -> str:
    """The Pareto front of MACs and error, as text; "" if the arms differ in training length, or hardly in MACs."""
    scored = {
        arm: (found.macs, found.validation_error_percent.mean)
        for arm, found in arms.items()
        if found.validation_error_percent is not None
    }
    alike = len({(found.recipe.epochs, found.recipe.train_images) for found in arms.values()}) == 1
    macs = {macs for macs, _ in scored.values()}
    if not alike or len(macs) < FEWEST_ON_A_FRONT or max(macs) < LEAST_RANGE * min(macs):
        return ""
    names = list(scored)
    on_it = sorted(front(list(scored.values())), key=lambda index: scored[names[index]])
    return f"MACs and mean error: {'; '.join(names[index] for index in on_it)}"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return listing([str(seed) for seed in seeds])


def _equal(experiment: Experiment, record: GroupRecord) -> list[str]:
    arms, equal = arms_of(record), []
    for held in experiment.equal:
        of = f" of {listing(list(held.arms))}" if held.arms else ""
        costs = [getattr(arms[arm], held.cost) for arm in held.arms or arms if arm in arms]
        equal.append(
            f"{COSTS[held.cost].noun}{of} within {number(100 * held.within)} % of their mean ({range_of(costs)})"
        )
    return equal


def _rates(networks: Sequence[NetworkRecord]) -> str:
    trials = [trial for found in networks for trial in found.rates]
    if not trials:
        used = sorted({found.recipe.learning_rate for found in networks})
        return f"{used[0]:g} for all" if len(used) == 1 else "fixed for each arm, see the table"
    grids = {tuple(sorted({trial.learning_rate for trial in found.rates})) for found in networks if found.rates}
    tried = listing([f"{rate:g}" for rate in sorted({rate for grid in grids for rate in grid})])
    if len(grids) > 1:
        tried = f"{range_of([len(grid) for grid in grids])} of the rates {tried}"
    horizon = max(trial.horizon for trial in trials)
    seeds = len({trial.seed for trial in trials})
    score = "validation error" if seeds == 1 else f"mean validation error of {seeds} seeds"
    return f"selected for each arm from {tried}; lowest {score} after at most {horizon} epochs"


@dataclass(frozen=True)
class Setting:
    """Sizes of experiments, as ranges over their arms; `on_gpu`: run under the GPU profile."""

    on_gpu: bool
    data: str
    resolution: str
    params: str
    epochs: str
    images: str


def settings_of(evidence: ClaimRecords) -> tuple[Setting, ...]:
    """The setting of all experiments on CPUs, then of all on GPUs; each only if there are any."""
    trained: dict[bool, list[tuple[DataSummary, NetworkRecord]]] = {False: [], True: []}
    for record in evidence.experiments.values():
        trained[record.profile == ON_A_GPU] += [(record.data, found) for found in record.networks]
    return tuple(_setting(on_gpu, found) for on_gpu, found in trained.items() if found)


def _setting(on_gpu: bool, trained: Sequence[tuple[DataSummary, NetworkRecord]]) -> Setting:
    images = [found.recipe.train_images or data.counts.get("train", 0) for data, found in trained]
    return Setting(
        on_gpu=on_gpu,
        data=listing(sorted({data.name for data, _ in trained})),
        resolution=range_of([found.resolution for _, found in trained]),
        params=range_of([found.params for _, found in trained]),
        epochs=range_of([found.recipe.epochs for _, found in trained]),
        images=range_of(images),
    )
