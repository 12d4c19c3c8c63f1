"""Records for the report's tests: nine small networks as a real study would leave them, and hostile ones."""

import math
from dataclasses import replace
from pathlib import Path
from random import Random

from pipeline.cost.records import CostProfile, LayerCost
from pipeline.data.manifest import DataSummary
from pipeline.evidence.records import Epoch, GroupRecord, Measurement, NetworkRecord, RateTrial, SeedRun
from pipeline.evidence.statistics import flags_of, mean_interval
from pipeline.files import write_json
from pipeline.schema import to_json
from pipeline.training.recipe import Recipe

HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    '"; x',
    "{{7*7}}",
    "=cmd()",
    "</script><img src=x onerror=alert(1)>",
    "a|b\nc `d` [e](javascript:f)",
    "@SUM(A1)",
    "-1+1",
    "${7*7}'&amp;\u2028",
)

NETWORKS = (  # name, family, params, MACs, saved bytes, latency in s, final error in percent, training seconds
    ("lenet-small", "lenet", 61_706, 416_520, 32_000, 0.00031, 11.4, 62.0),
    ("alexnet-small", "alexnet", 1_204_170, 48_210_944, 310_000, 0.0021, 8.6, 410.0),
    ("vgg-small", "vgg", 1_149_066, 62_401_536, 905_000, 0.0034, 7.1, 690.0),
    ("nin-small", "nin", 312_330, 38_106_112, 640_000, 0.0029, 90.0, 505.0),
    ("googlenet-small", "googlenet", 421_850, 31_442_944, 802_000, 0.0071, 7.4, 760.0),
    ("resnet-small", "resnet", 272_778, 31_021_056, 731_000, 0.0043, 6.9, 612.0),
    ("resnext-small", "resnext", 218_314, 28_610_048, 1_240_000, 0.0066, 7.0, 905.0),
    ("densenet-small", "densenet", 98_410, 29_830_144, 1_630_000, 0.0098, 6.95, 1190.0),
    ("regnet-small", "regnet", 179_290, 9_870_336, 420_000, 0.0052, 8.2, 388.0),
)

DATA = DataSummary(
    name="fashion-mnist",
    source="dataset-fashion-mnist",
    fingerprint="9f2c1b7a5d3e4c6f8a90",
    image_shape=(1, 28, 28),
    class_names=(
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    counts={"train": 54_000, "validation": 6_000, "test": 10_000},
    duplicates={"train/test": 4},
)

HARDWARE = {"processor": "Example CPU @ 2.6 GHz", "cores": "2", "memory": "16 GiB", "system": "Linux 6.1"}
VERSIONS = {"python": "3.11.9", "torch": "2.14.0", "torchvision": "0.29.0", "convstudy": "0.1"}


def history(final_error: float, epochs: int, seed: int) -> tuple[Epoch, ...]:
    """A learning curve that falls from chance to `final_error`, with a little noise."""
    rng = Random(f"{final_error}-{seed}")
    curve = []
    for epoch in range(1, epochs + 1):
        error = final_error + (60 - final_error) * math.exp(-0.9 * epoch) if final_error < 80 else final_error
        error = round(error * (1 + rng.uniform(-0.03, 0.03)), 3) if epoch < epochs else final_error
        loss = round(error / 28, 4)
        curve.append(Epoch(epoch, round(loss * 0.9 * (1 - epoch / epochs / 2), 4), loss, error, 0.1, 1.2))
    return tuple(curve)


def measurement(run: str, seconds: float) -> Measurement:
    return Measurement(
        schema="measurement/1",
        run=run,
        images_per_second=(900.0, 905.5),
        train_seconds=seconds,
        evaluation_seconds=seconds / 10,
        wall_seconds=seconds * 1.12,
        peak_memory_bytes=800 * 2**20,
        peak_memory_kind="resident set",
        threads=1,
        attempts=1,
        finished_at="2025-01-01T00:00:00+00:00",
        hardware=HARDWARE,
        versions=VERSIONS,
    )


def network(
    name: str = "resnet-small",
    family: str = "resnet",
    params: int = 272_778,
    macs: int = 31_021_056,
    error: float = 6.9,
    seconds: float = 612.0,
    seeds: int = 3,
    failed: int = 0,
    epochs: int = 12,
    tested: bool = True,
) -> NetworkRecord:
    """A network whose first `failed` seeds diverged."""
    runs = []
    for seed in range(seeds):
        run = f"{seed:02d}{abs(macs):018d}"
        if seed < failed:
            runs.append(SeedRun(run, seed, "failed", "diverged: loss is NaN in epoch 2", (), None, None))
            continue
        final = round(error * (1 + 0.02 * (seed - 1)), 2) if error < 80 else error
        took = measurement(run, seconds * (1 + 0.03 * (seed - 1)))
        test = round(final * 1.04, 2) if tested and error < 80 else (final if tested else None)
        runs.append(SeedRun(run, seed, "complete", None, history(final, epochs, seed), test, took))
    validation = [run.history[-1].validation_error_percent for run in runs if run.state == "complete"]
    return NetworkRecord(
        name=name,
        family=family,
        config={"width": 16},
        resolution=28,
        params=params,
        macs=macs,
        activations=macs // 90,
        rates=(
            RateTrial(0.03, "r1", "complete", None, error + (1 if error < 8 else 0), 2, 2),
            RateTrial(0.1, "r2", "complete", None, error + (0 if error < 8 else 1), 2, 2),
            RateTrial(0.3, "r3", "failed", "diverged: loss is NaN in epoch 1", None, 0, 2),
        ),
        recipe=Recipe(epochs=epochs, learning_rate=0.1 if error < 8 else 0.03, precision="float32"),
        runs=tuple(runs),
        validation_error_percent=mean_interval(validation),
        test_error_percent=mean_interval(
            [run.test_error_percent for run in runs if run.test_error_percent is not None]
        ),
        train_seconds=mean_interval([run.measurement.train_seconds for run in runs if run.measurement]),
        flags=flags_of(validation, 10, failed),
    )


def profile(
    name: str = "resnet-small",
    family: str = "resnet",
    params: int = 272_778,
    macs: int = 31_021_056,
    saved_bytes: int = 731_000,
    latency: float | None = 0.0043,
    layers: int = 12,
) -> CostProfile:
    """A cost profile whose layers add up to its totals."""
    rows = []
    for index in range(layers):
        last = index == layers - 1
        share = 1 / (layers - 1)
        rows.append(
            LayerCost(
                name="head.dense" if last else f"stages.{index // 3}.blocks.{index % 3}.conv",
                kind="Linear" if last else "Conv2d",
                output=(10,) if last else (16 * (1 + index // 3), 28 // (1 + index // 3), 28 // (1 + index // 3)),
                params=650 if last else int((params - 650) * share),
                macs=640 if last else int((macs - 640) * share),
                activations=10 if last else int(macs // 90 * share),
            )
        )
    return CostProfile(
        schema="cost/1",
        name=name,
        family=family,
        config={"width": 16},
        resolution=28,
        channels=1,
        classes=10,
        params=params,
        params_dense=650,
        macs=macs,
        fvcore_total=macs + 1000,
        uncounted_operators={"aten::add": 9},
        activations=macs // 90,
        saved_bytes_per_sample=saved_bytes,
        layers=tuple(rows),
        latency_seconds={"1": latency, "128": latency * 70} if latency else None,
        images_per_second=128 / (latency * 70) if latency else None,
        device="cpu" if latency else None,
        threads=1 if latency else None,
        hardware=HARDWARE,
        versions=VERSIONS,
    )


def group(networks: tuple[NetworkRecord, ...], name: str = "small", data: DataSummary = DATA) -> GroupRecord:
    return GroupRecord("group/1", name, "quick", data, networks)


def nine_networks() -> GroupRecord:
    """One group as a study leaves it: one network at chance, one with a failed seed, one with a single seed."""
    trained = []
    for name, family, params, macs, _, _, error, seconds in NETWORKS:
        record = network(name, family, params, macs, error, seconds, failed=int(family == "alexnet"))
        if family == "regnet":
            record = network(name, family, params, macs, error, seconds, seeds=1)
        trained.append(record)
    return group(tuple(trained))


def nine_profiles() -> tuple[CostProfile, ...]:
    """Their cost profiles; GoogLeNet's latency was not measured."""
    return tuple(
        profile(name, family, params, macs, saved, None if family == "googlenet" else latency, layers=8 + 4 * index)
        for index, (name, family, params, macs, saved, latency, _, _) in enumerate(NETWORKS)
    )


def hostile_group() -> GroupRecord:
    """Networks, classes, reasons and hardware that try to become markup, formulas or templates."""
    networks = []
    for index, name in enumerate(HOSTILE_NAMES):
        record = network(
            name, "resnet", 10_000 * (index + 1), 1_000_000 * (index + 2), 7.0 + index / 5, failed=index % 2
        )
        runs = tuple(replace(run, reason=name if run.state == "failed" else None) for run in record.runs)
        networks.append(replace(record, runs=runs, flags=(*record.flags, name)))
    data = replace(DATA, name=HOSTILE_NAMES[0], source=HOSTILE_NAMES[4], class_names=HOSTILE_NAMES)
    return group(tuple(networks), name=HOSTILE_NAMES[4], data=data)


def hostile_profiles() -> tuple[CostProfile, ...]:
    profiles = []
    for index, name in enumerate(HOSTILE_NAMES):
        priced = profile(name, "resnet", 10_000 * (index + 1), 1_000_000 * (index + 2))
        layers = tuple(replace(layer, name=name, kind=name) for layer in priced.layers)
        profiles.append(replace(priced, layers=layers, hardware={name: name}))
    return tuple(profiles)


def write_results(folder: Path, groups: tuple[GroupRecord, ...], profiles: tuple[CostProfile, ...]) -> Path:
    """A results folder as other stages leave it; returned for chaining."""
    for index, record in enumerate(groups):
        write_json(folder / "runs" / f"group-{index}.json", to_json(record))
    if profiles:
        write_json(folder / "profiles" / "all.json", [to_json(priced) for priced in profiles])
    return folder
