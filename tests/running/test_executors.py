"""Workers and the cards they use. No card is needed: what a worker may see is set before CUDA is asked."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
from pebble import ProcessExpired
from processes import still_running, wait_until
from worker_tasks import card_after

from pipeline.errors import StorageError
from pipeline.machine import cards, default_workers
from pipeline.running.executors import ProcessExecutor
from pipeline.running.jobs import Job


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


def test_a_worker_that_dies_leaves_its_card_to_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 7")
    executor = ProcessExecutor("cuda", 2)
    try:
        for _ in range(3):
            futures = [executor._pool.schedule(card_after, args=[0.5]) for _ in range(8)]
            found = {card: worker for worker, card in (future.result() for future in futures)}
            assert set(found) == {"3", "7"}
            busy = [executor._pool.schedule(card_after, args=[1.5]) for _ in range(2)]  # or pebble gives the pool up
            wait_until(lambda busy=busy: all(future.running() for future in busy))  # type: ignore[misc]
            psutil.Process(found["7"]).kill()
            assert {type(future.exception()) for future in busy} == {type(None), ProcessExpired}
    finally:
        executor.close()


def test_a_pool_that_was_given_up_is_followed_by_one_with_the_same_cards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 7")
    executor = ProcessExecutor("cuda", 2)
    try:
        executor._pool.stop()
        job = Job(store=tmp_path, run="absent", data_folder=tmp_path, test_data="")
        with pytest.raises(StorageError, match="run absent is not registered"):  # a worker was there to say so
            executor.submit(job).result(timeout=60)
        found = {card for _, card in (executor._pool.schedule(card_after, args=[0.5]).result() for _ in range(2))}
        assert found <= {"3", "7"}
    finally:
        executor.close()


def test_without_a_card_there_is_one_worker_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert cards() == [] and default_workers("cuda") == 1


def test_workers_end_with_a_driver_that_is_killed_while_they_are_paused() -> None:
    script = Path(__file__).with_name("driver_pausing.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        worker = psutil.Process(int(driver.stdout.readline()))
        driver.kill()
    assert not still_running([worker], seconds=10)
