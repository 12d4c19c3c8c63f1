"""Workers and the cards they use. No card is needed: what a worker may see is set before CUDA is asked."""

import contextlib
import errno
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest
from processes import still_running, wait_until, workers_of
from worker_tasks import card_after, fail, wait_for

from pipeline.errors import StorageError, UsageError
from pipeline.machine import cards, default_workers
from pipeline.running.executors import open_executor
from pipeline.running.jobs import Job, Lost
from pipeline.running.process_executor import ProcessExecutor, _Attempt


@contextlib.contextmanager
def opened(workers: int) -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor("cpu", workers)
    try:
        yield executor
    finally:
        executor.close()


def attempted(
    executor: ProcessExecutor, task: Callable[..., object], *arguments: object, kills: int = 0
) -> "Future[None]":
    """As `submit`, of a test's own task in place of a job, after so many kills for memory."""
    return _Attempt(executor._pool.schedule(task, args=arguments), kills)


def test_a_worker_that_ends_is_lost_for_a_reason_and_an_error_of_the_job_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = [0]
    monkeypatch.setattr("pipeline.running.process_executor.kills_for_memory", lambda: killed[0])
    gone = "worker ended unexpectedly (Abnormal termination)"
    with opened(1) as executor:
        for code, expected in ((errno.ENOMEM, "out_of_memory"), (1, gone)):
            future = attempted(executor, wait_for, tmp_path / f"{code}", code)
            wait_until(future.running)
            (tmp_path / f"{code}").touch()
            assert isinstance(future.exception(), Lost) and str(future.exception()) == expected
        for kills, expected in ((0, gone), (1, "out_of_memory")):  # `kills`: as the system counts them meanwhile
            future = attempted(executor, wait_for, tmp_path / "never")
            wait_until(future.running)
            killed[0] = kills
            (worker,) = executor._pool._pool_manager.worker_manager.workers
            psutil.Process(worker).kill()
            assert isinstance(future.exception(), Lost) and str(future.exception()) == expected
        with pytest.raises(ValueError, match="the job's own fault"):
            attempted(executor, fail).result()


def test_a_cancelled_attempt_is_lost_and_its_worker_is_ended() -> None:
    with opened(1) as executor:
        future = attempted(executor, card_after, 600.0)
        wait_until(future.running)
        (worker,) = workers_of()
        executor.cancel(future)
        error = future.exception(timeout=0)
        assert isinstance(error, Lost) and error.reason == "worker hung"
        assert not still_running([worker], seconds=10)
        assert attempted(executor, card_after, 0.0).exception(timeout=60) is None  # by its successor


def test_paused_workers_stand_still_and_nothing_else_does(tmp_path: Path) -> None:
    with opened(2) as executor, subprocess.Popen(["sleep", "600"]) as bystander:
        futures = [attempted(executor, wait_for, tmp_path / "go") for _ in range(2)]
        wait_until(lambda: all(future.running() for future in futures))
        workers = workers_of()
        executor.pause()
        wait_until(lambda: all(worker.status() == psutil.STATUS_STOPPED for worker in workers))
        assert len(workers) == 2 and psutil.Process(bystander.pid).status() != psutil.STATUS_STOPPED
        (tmp_path / "go").touch()
        with pytest.raises(TimeoutError):
            futures[0].result(timeout=0.5)
        executor.resume()
        assert [future.result(timeout=60) for future in futures] == [None, None]
        bystander.kill()


def test_an_executor_is_opened_by_its_name() -> None:
    executor = open_executor("processes", "cpu", 3)
    executor.close()
    assert isinstance(executor, ProcessExecutor) and executor.capacity == 3
    with pytest.raises(UsageError, match="unknown executor 'proceses': did you mean 'processes'"):
        open_executor("proceses", "cpu", 3)


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
            busy = [attempted(executor, card_after, 1.5) for _ in range(2)]  # or pebble gives the pool up
            wait_until(lambda busy=busy: all(future.running() for future in busy))  # type: ignore[misc]
            psutil.Process(found["7"]).kill()
            assert {type(future.exception()) for future in busy} == {type(None), Lost}
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
