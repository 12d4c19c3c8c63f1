"""What a search would take, before it is begun."""

from dataclasses import replace
from pathlib import Path

import pytest

import search_spaces
from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest
from pipeline.evidence.records import Epoch, Result, RunState
from pipeline.evidence.store import RunStore
from pipeline.running.estimate import PACKED
from pipeline.search.candidates import spec_of
from pipeline.search.estimate import search_workers, trained_alike
from pipeline.search.gate import sample_within
from pipeline.search.plans import plan_search
from pipeline.training.recipe import Recipe


def test_a_search_packs_its_cards(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("pipeline.running.estimate.cores", lambda: 16)
    plan = replace(plan_search(["resnet"], Recipe(epochs=1, batch_size=64), manifest, "cpu"), device="cuda")
    for free_gib, at_once in ((80, 2 * PACKED), (1, 2)):
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda card, free=free_gib: (free * 2**30, 80 * 2**30))
        assert search_workers(plan) == at_once


def test_a_reference_beyond_the_limits_counts_where_it_is_trained_too(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr("pipeline.running.estimate.cores", lambda: 16)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda card: (16 * 2**30, 80 * 2**30))
    limits = Limits(macs=3_000_000)
    plan = replace(
        plan_search(["resnet"], Recipe(epochs=1, batch_size=256), manifest, "cpu", limits=limits), device="cuda"
    )
    assert search_workers(plan, references=True) < search_workers(plan)


def test_networks_that_were_trained_alike_are_counted_by_their_family(tmp_path: Path, manifest: Manifest) -> None:
    plan = plan_search(["anynet-e"], Recipe(epochs=1), manifest, "cpu")
    store = RunStore(tmp_path)
    states: tuple[RunState, ...] = ("complete", "complete", "failed")
    for config, state in zip(sample_within(plan, search_spaces.space(plan.space), 3), states, strict=True):
        folder = store.register(spec_of(plan, config), "a trial", manifest.name)
        folder.write(Result("result/1", folder.run, state, None, (Epoch(1, 1.0, 1.0, 10.0, 1.0, 0.0),), None))
    assert trained_alike(plan, store) == 2
    assert trained_alike(replace(plan, seed=1), store) == 0
