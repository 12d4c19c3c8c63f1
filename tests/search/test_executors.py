"""Workers and the cards they use. No card is needed: what a worker may see is set before CUDA is asked."""

from collections import Counter
from dataclasses import replace

import pytest
from worker_tasks import card_after

from pipeline.data.manifest import Manifest
from pipeline.machine import cards, default_workers
from pipeline.search.estimate import PACKED
from pipeline.search.executors import ProcessExecutor
from pipeline.search.search_plans import plan_search
from pipeline.search.study_estimate import search_workers
from pipeline.training.recipe import Recipe


def test_workers_are_shared_out_equally_among_the_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 7")
    assert cards() == ["3", "7"] and default_workers("cuda") == 2
    executor = ProcessExecutor("cuda", 4)
    try:
        futures = [executor._pool.schedule(card_after, args=[1.0]) for _ in range(8)]
        found = dict(future.result() for future in futures)
    finally:
        executor.close()
    assert len(found) == 4 and Counter(found.values()) == {"3": 2, "7": 2}


def test_a_search_packs_its_cards(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr("pipeline.search.estimate.cores", lambda: 16)
    plan = replace(plan_search(["resnet"], Recipe(epochs=1, batch_size=64), manifest, "cpu"), device="cuda")
    for free_gib, at_once in ((80, 2 * PACKED), (1, 2)):
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda free=free_gib: (free * 2**30, 80 * 2**30))
        assert search_workers(plan) == at_once


def test_without_a_card_there_is_one_worker_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert cards() == [] and default_workers("cuda") == 1
