"""Workers and the cards they use. No card is needed: what a worker may see is set before CUDA is asked."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest
from pebble import ProcessExpired
from processes import LONGEST_SECONDS, wait_until, wait_until_ended
from worker_tasks import card_of

from pipeline.errors import StorageError
from pipeline.machine import cards, default_workers
from pipeline.running.executors import ProcessExecutor
from pipeline.running.jobs import Job


def busy(executor: ProcessExecutor, folder: Path, jobs: int, until: int) -> "list[Future[tuple[int, str | None]]]":
    """So many jobs, each on a worker of its own, that end when there are `until` files in the folder."""
    folder.mkdir()
    futures = [executor._pool.schedule(card_of, args=[folder, until]) for _ in range(jobs)]
    wait_until(lambda: len(list(folder.iterdir())) >= jobs)
    return futures


def test_workers_are_shared_out_equally_among_the_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 7")
    assert cards() == ["3", "7"] and default_workers("cuda") == 2
    executor = ProcessExecutor("cuda", 4)
    try:
        found = dict(future.result() for future in busy(executor, tmp_path / "all", jobs=4, until=4))
    finally:
        executor.close()
    assert len(found) == 4 and Counter(found.values()) == {"3": 2, "7": 2}


def test_a_worker_that_dies_leaves_its_card_to_its_successor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 7")
    executor = ProcessExecutor("cuda", 2)
    try:
        for round_ in range(3):
            futures = busy(executor, tmp_path / f"{round_}", jobs=2, until=2)
            found = {card: worker for worker, card in (future.result() for future in futures)}
            assert set(found) == {"3", "7"}
            kept, lost = tmp_path / f"busy-{round_}", found["7"]
            futures = busy(executor, kept, jobs=2, until=3)  # else pebble gives the pool up
            psutil.Process(lost).kill()
            wait_until(lambda futures=futures: any(future.done() for future in futures))  # type: ignore[misc]
            (kept / "go").touch()
            assert {type(future.exception()) for future in futures} == {type(None), ProcessExpired}
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
            executor.submit(job).result(timeout=LONGEST_SECONDS)
        futures = busy(executor, tmp_path / "both", jobs=2, until=2)
        assert {card for _, card in (future.result() for future in futures)} == {"3", "7"}
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
    wait_until_ended([worker])
