"""Does successive halving select the same learning rate as the full grid, and how much does it save?

Every rate of the quick profile's grid is trained in full. Halving uses the same schedule, so its trainings are the
first epochs of these, and both selections use the same trainings.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.arms import processes
from benchmarks.records import Row, row
from pipeline.data.arrays import open_training_data
from pipeline.data.manifest import load_manifest
from pipeline.machine import cores, resolve_precision
from pipeline.running.halving import Curve, best, going_on, rungs
from pipeline.running.plans import PlannedNetwork, plan_runs
from pipeline.schema import parse
from pipeline.settings import read_settings
from pipeline.training.images import ImageData, load_images
from pipeline.training.loop import train
from pipeline.workspace import current_workspace
from search_spaces import family, instantiate

PROFILE = "quick"
REDUCTION = 2


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """Train one full grid per network and repeat, one training per core. A repeat is a seed."""
    plans = plan_runs(read_settings(current_workspace().params_file), PROFILE, load_manifest(data))
    networks = [network for plan in plans.values() for network in plan.networks]
    curves: dict[tuple[str, int], dict[float, Curve]] = {}
    with processes([str(core) for core in range(cores())]) as pools:
        futures = {}
        jobs = [(net, seed, rate) for seed in range(repeats) for net in networks for rate in net.rates]
        for index, (network, seed, rate) in enumerate(jobs):
            pool = pools[str(index % len(pools))]
            futures[network.name, seed, rate] = pool.submit(curve_of, network, seed, rate, data)
        for (name, seed, rate), future in futures.items():
            curves.setdefault((name, seed), {})[rate] = future.result()
            tell(f"rates {len(curves)}/{len(networks) * repeats}: {name} seed {seed} rate {rate:g}")
    rows, regrets, agreements, saved = [], list[float](), list[bool](), list[float]()
    for network in networks:
        epochs = network.choice_epochs
        series: dict[str, list[float]] = {"halving": [], "full grid": []}
        for seed in range(repeats):
            full, halved = curves[network.name, seed], {rate: Curve() for rate in network.rates}
            while wanted := going_on(halved, rungs(epochs, REDUCTION), REDUCTION):
                for rate, until in wanted.items():
                    known = full[rate].errors[:until]
                    halved[rate] = Curve(known, len(known) < until)
            chosen, ideal = best(halved, epochs), best(full, epochs)
            if chosen is None or ideal is None:
                continue
            series["halving"].append(full[chosen].errors[-1])
            series["full grid"].append(full[ideal].errors[-1])
            regrets.append(series["halving"][-1] - series["full grid"][-1])
            agreements.append(chosen == ideal)
            trained = sum(len(curve.errors) for curve in halved.values())
            saved.append(1 - trained / sum(len(curve.errors) for curve in full.values()))
        rows.append(row(network.name, "% validation error of the selected rate", series, None))
    return rows, [
        f"halving selected the full grid's rate in {sum(agreements)} of {len(agreements)} selections",
        f"its rate was worse by {statistics.mean(regrets):.2f} points of validation error on average, "
        f"{max(regrets):.2f} at most",
        f"it trained {100 * statistics.mean(saved):.0f} % fewer epochs",
    ]


def curve_of(network: PlannedNetwork, seed: int, rate: float, data: Path) -> Curve:
    """Train one rate in full with the profile's recipe for selecting rates, on one thread."""
    import torch

    torch.set_num_threads(1)
    recipe = network.choice_recipe_at(rate)
    recipe = replace(recipe, resolution=network.resolution, precision=resolve_precision(recipe.precision, "cpu"))
    opened = open_training_data(data)
    images = ImageData(
        load_images(opened.train.images, opened.train.labels, recipe.train_images, "cpu"),
        load_images(opened.validation.images, opened.validation.labels, recipe.validation_images, "cpu"),
        opened.manifest.mean,
        opened.manifest.std,
    )
    kind = family(network.family)
    config = parse(kind.config, network.config, network.name)
    manifest = opened.manifest
    model = instantiate(kind, config, network.resolution, manifest.image_shape[0], len(manifest.class_names))
    history = train(model, recipe, images, seed)
    return Curve(tuple(epoch.validation_error_percent for epoch in history.epochs), history.state == "failed")
