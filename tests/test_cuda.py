"""What only a card can show; skipped where there is none. It needs no more than the bundle of gpu/build.py brings."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

import search_spaces
from benchmarks.cards import least_free
from pipeline.claims.catalogue import catalogue_of
from pipeline.claims.timings.measuring import take_timing
from pipeline.claims.timings.plans import plan_timing
from pipeline.cost.latency import latency_seconds
from pipeline.cost.memory import training_memory
from pipeline.data.manifest import load_manifest
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.machine import resolve_device, resolve_precision
from pipeline.running.display import Display
from pipeline.running.estimate import training_bytes, trainings_at_once
from pipeline.running.inputs import training_data
from pipeline.running.jobs import Job, Lost, run_job
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.plans import plan_group, run_spec
from pipeline.running.process_executor import ProcessExecutor
from pipeline.running.reproduce import check_final, reproduce
from pipeline.running.requests import planned_requests
from pipeline.schema import to_json
from pipeline.settings import NetworkEntry, read_settings
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.images import ImageData
from pipeline.training.loop import CUDA_CHECK_STEPS, train
from pipeline.training.recipe import Flip, RandomResizedCrop, Recipe
from pipeline.workspace import Workspace

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no card")

CHECKOUT = Path(__file__).parents[1]
RECIPE = Recipe(
    epochs=3, batch_size=64, train_images=6400, validation_images=1000, train_loss_images=500, learning_rate=0.05
)


def network(name: str, resolution: int = 28) -> torch.nn.Module:
    family, reference = search_spaces.reference(name)
    return search_spaces.instantiate(family, reference.config, resolution)


def data_on(device: str, prepared: Path, recipe: Recipe = RECIPE) -> ImageData:
    fingerprint = load_manifest(prepared).fingerprint
    return training_data(prepared, fingerprint, recipe.train_images, recipe.validation_images, device)[0]


def registered(
    store: Path, prepared: Path, name: str, recipe: Recipe, seed: int = 1, resolution: int = 28
) -> RunFolder:
    family, reference = search_spaces.reference(name)
    config = to_json(reference.config)
    spec = run_spec(family.name, config, resolution, recipe, seed, load_manifest(prepared), "cuda")
    return RunStore(store).register(spec, name, "fashion-mnist")


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_a_network_learns_on_the_card(precision: Literal["bfloat16", "float32"], prepared_fashion_mnist: Path) -> None:
    recipe = replace(RECIPE, precision=precision, augmentations=(Flip("horizontal-flip"),))
    model = network("resnet-small")
    history = train(model, recipe, data_on("cuda", prepared_fashion_mnist), 1, "cuda")
    assert history.state == "complete" and len(history.epochs) == 3
    assert history.epochs[-1].validation_error_percent < 25  # chance is 90
    assert all(parameter.is_cuda and parameter.isfinite().all() for parameter in model.parameters())


def test_card_and_processor_train_to_nearly_the_same_in_float32(prepared_fashion_mnist: Path) -> None:
    recipe = replace(RECIPE, epochs=1, train_images=640, precision="float32", learning_rate=0.01)
    on_card, on_cpu = (data_on(device, prepared_fashion_mnist, recipe) for device in ("cuda", "cpu"))
    assert resolve_device("cuda") == "cuda"  # which turns TF32 off
    there = train(network("lenet-small"), recipe, on_card, 3, "cuda").epochs[-1]
    here = train(network("lenet-small"), recipe, on_cpu, 3, "cpu").epochs[-1]
    assert there.train_loss == pytest.approx(here.train_loss, rel=1e-3)
    assert there.gradient_norm == pytest.approx(here.gradient_norm, rel=1e-3)


def test_stopped_and_continued_a_training_sees_the_same_images_and_ends_as_well(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    recipe = replace(
        RECIPE, precision="float32", ema_decay=0.9, augmentations=(RandomResizedCrop("random-resized-crop"),)
    )
    data, checkpoints = data_on("cuda", prepared_fashion_mnist), Checkpoints(tmp_path, 0.0)
    whole = train(network("lenet-small"), recipe, data, 2, "cuda")
    first = train(network("lenet-small"), recipe, data, 2, "cuda", checkpoints=checkpoints, until=2)
    assert first.state == "stopped"
    rest = train(network("lenet-small"), recipe, data, 2, "cuda", checkpoints=checkpoints)
    assert rest.state == "complete" and rest.starts == 1 and rest.epochs[:2] == first.epochs
    assert rest.epochs[-1].train_loss == pytest.approx(whole.epochs[-1].train_loss, rel=0.02)


def test_divergence_is_told_with_its_step(prepared_fashion_mnist: Path) -> None:
    recipe = replace(RECIPE, learning_rate=1e12, warmup_fraction=0.0, precision="float32")
    history = train(network("resnet-small"), recipe, data_on("cuda", prepared_fashion_mnist), 1, "cuda")
    assert history.state == "failed" and history.reason is not None and "at step" in history.reason
    assert int(history.reason.split("at step ")[1].split()[0]) < CUDA_CHECK_STEPS


def test_a_card_without_room_gets_smaller_batches_until_they_fit(prepared_fashion_mnist: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1, batch_size=512, train_images=1024, precision="float32")
    folder = registered(tmp_path, prepared_fashion_mnist, "resnet18", recipe, resolution=96)
    job = Job(
        tmp_path, folder.run, prepared_fashion_mnist, load_manifest(prepared_fashion_mnist).test_fingerprint, True
    )
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2 * 2**30) / total)
    parts: list[int] = []
    try:
        while folder.result() is None and len(parts) < 9:
            parts.append(folder.micro_batches)
            try:
                run_job(job)
            except Lost:
                torch.cuda.empty_cache()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(parts) > 1 and parts == [2**index for index in range(len(parts))]
    measurement = folder.measurement()
    assert measurement is not None and measurement.micro_batches == parts[-1] and folder.test_score() is not None
    assert measurement.peak_memory_kind == "cuda allocator" and 0 < measurement.peak_memory_bytes < 2.5 * 2**30


def test_trainings_share_a_card_within_what_was_estimated(prepared_fashion_mnist: Path, tmp_path: Path) -> None:
    workspace, manifest = Workspace(tmp_path), load_manifest(prepared_fashion_mnist)
    settings = read_settings(CHECKOUT / "params.yaml")
    entries = {name: NetworkEntry() for name in ("lenet-small", "resnet-small")}
    plan = plan_group("cards", entries, settings, "smoke", manifest)
    specs = [request.spec for request in planned_requests(plan, manifest, "cuda")]
    at_once = trainings_at_once(specs, "cuda")
    assert at_once > 1
    options = RunnerOptions(at_once, data_folder=prepared_fashion_mnist, mirrored=False)
    with open_runner(workspace, manifest, "cuda", Display("cards", len(specs), quiet=True), options) as runner:
        record = reproduce(plan, manifest, runner, "cuda")
    check_final(record)
    for trained in record.networks:
        assert trained.recipe.precision == resolve_precision("auto", "cuda")
        for run in trained.runs:
            assert run.state == "complete" and run.test_error_percent is not None and run.measurement is not None
            assert "gpu" in run.measurement.hardware
            assert run.measurement.peak_memory_bytes < max(training_bytes(spec) for spec in specs)


def test_a_worker_killed_on_the_card_costs_its_attempt_only(prepared_fashion_mnist: Path, tmp_path: Path) -> None:
    test_data = load_manifest(prepared_fashion_mnist).test_fingerprint
    folders = [registered(tmp_path, prepared_fashion_mnist, "lenet-small", RECIPE, seed) for seed in (1, 2, 3)]
    jobs = [Job(tmp_path, folder.run, prepared_fashion_mnist, test_data, checkpoint_seconds=0.0) for folder in folders]
    executor = ProcessExecutor("cuda", 2)
    try:
        first = executor.submit(jobs[0])
        while folders[0].sign_of_life() is None and not first.done():
            pass
        executor.cancel(first)  # pebble kills its worker
        assert str(first.exception(timeout=0)) == "worker hung"
        for future in [executor.submit(job) for job in jobs]:
            future.result(timeout=120)
    finally:
        executor.close()
    assert all(folder.result() is not None and folder.result().state == "complete" for folder in folders)  # type: ignore[union-attr]


def test_the_estimate_of_memory_is_no_less_than_what_a_training_takes_of_the_card(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    for name, resolution, batch in (("resnet-small", 28, 64), ("resnet18", 96, 128), ("googlenet", 96, 128)):
        recipe = replace(RECIPE, epochs=1, batch_size=batch, train_images=1280)
        folder = registered(tmp_path, prepared_fashion_mnist, name, recipe, resolution=resolution)
        header = folder.header()
        assert header is not None
        before, executor = torch.cuda.mem_get_info()[0], ProcessExecutor("cuda", 1)
        try:
            with least_free() as least:
                executor.submit(Job(tmp_path, folder.run, prepared_fashion_mnist, "")).result(timeout=120)
        finally:
            executor.close()
        taken, estimated = before - least(), training_bytes(header.spec)
        print(f"{name}: {taken >> 20} MiB of the card, {estimated >> 20} estimated")
        assert 2**28 < taken < estimated


def test_cost_is_measured_on_the_card() -> None:
    model = network("resnet18", 96)
    one, many = (latency_seconds(model, 1, 96, batch, "cuda", 0.05, 1) for batch in (1, 128))
    assert 1e-5 < one < 0.1 and many < 128 * one
    taken, kind = training_memory(network("resnet18", 96), 1, 96, 128, "cuda")
    assert "cuda allocator" in kind and 0.1 * 2**30 < taken < 20 * 2**30


def test_a_timing_is_taken_on_the_card() -> None:
    catalogue = catalogue_of(Workspace(CHECKOUT))
    planned = replace(plan_timing("training-memory", catalogue.timings["training-memory"], "gpu"), rounds=2)
    record = take_timing(planned, "cuda", print)
    assert record.device == "cuda" and "gpu" in record.hardware
    for arm in record.arms.values():
        assert len(arm.peak_memory_bytes) == 2 and min(arm.peak_memory_bytes) > 2**20
        assert all(math.isfinite(seconds) and seconds > 0 for seconds in arm.training_step_seconds)
