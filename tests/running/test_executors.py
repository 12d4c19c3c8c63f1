"""Workers and the cards they use. No card is needed: what a worker may see is set before CUDA is asked."""

import contextlib
import errno
import mmap
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest
from processes import LONGEST_SECONDS, wait_until, wait_until_ended, workers_of
from worker_tasks import card_of, fail, wait_for

from pipeline.errors import StorageError, UsageError
from pipeline.machine import cards, default_workers
from pipeline.running.executors import EXECUTORS
from pipeline.running.jobs import Job, Lost
from pipeline.running.open_runner import RunnerOptions
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


def test_a_cancelled_attempt_is_lost_and_its_worker_is_ended(tmp_path: Path) -> None:
    with opened(1) as executor:
        future = attempted(executor, wait_for, tmp_path / "never")
        wait_until(future.running)
        (worker,) = workers_of()
        executor.cancel(future)
        error = future.exception(timeout=0)
        assert isinstance(error, Lost) and error.reason == "worker hung"
        wait_until_ended([worker])
        (tmp_path / "now").touch()
        assert (
            attempted(executor, wait_for, tmp_path / "now").exception(timeout=LONGEST_SECONDS) is None
        )  # its successor


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
        assert [future.result(timeout=LONGEST_SECONDS) for future in futures] == [None, None]
        bystander.kill()


def test_an_executor_is_opened_by_its_name() -> None:
    executor = EXECUTORS["processes"]("cpu", 3)
    executor.close()
    assert isinstance(executor, ProcessExecutor) and executor.capacity == 3
    with pytest.raises(UsageError, match="unknown executor 'proceses': did you mean 'processes'"):
        RunnerOptions(executor="proceses")


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
            kept.mkdir()
            attempts = [attempted(executor, card_of, kept, 3) for _ in range(2)]  # else pebble gives the pool up
            wait_until(lambda kept=kept: len(list(kept.iterdir())) == 2)  # type: ignore[misc]
            psutil.Process(lost).kill()
            wait_until(lambda attempts=attempts: any(attempt.done() for attempt in attempts))  # type: ignore[misc]
            (kept / "go").touch()
            assert {type(attempt.exception()) for attempt in attempts} == {type(None), Lost}
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


OPEN = """
from contextlib import closing
from pipeline.process import run_and_exit
from pipeline.running.process_executor import ProcessExecutor

def submit():
    with closing(ProcessExecutor("cpu", 1)) as executor:
        executor.submit(None)  # no job: a worker that gets it fails, which nobody asks about

if __name__ == "__main__":
    run_and_exit(submit)
"""


def _opened_with_shared_memory(mounted: str, filled_bytes: int) -> "subprocess.CompletedProcess[str]":
    """Open an executor where /dev/shm is a small file system of its own, in a mount namespace of its own."""
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"]).returncode:
        pytest.skip("mounting a small /dev/shm needs root and unshare")
    script = f"mount -t tmpfs -o {mounted} tmpfs /dev/shm && head -c {filled_bytes} /dev/zero > /dev/shm/filled"
    script += f'{" && mount -o remount,ro /dev/shm" if filled_bytes == 0 else ""} && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-c", OPEN]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("pages", "filled", "said"),
    [(1, 1, "No space left on device"), (3, 2, "No space left on device"), (8, 0, "Read-only file system")],
)
def test_shared_memory_that_is_full_or_read_only_is_named(pages: int, filled: int, said: str) -> None:
    done = _opened_with_shared_memory(f"size={pages * mmap.PAGESIZE}", filled * mmap.PAGESIZE)
    assert done.returncode == StorageError.exit_code
    told = f"error: cannot create the workers' two locks in /dev/shm: {said}; they need {2 * mmap.PAGESIZE} bytes there"
    assert done.stderr.startswith(told) and done.stderr.count("\n") == 1, done.stderr


def test_shared_memory_of_two_free_pages_is_enough() -> None:
    done = _opened_with_shared_memory(f"size={3 * mmap.PAGESIZE}", mmap.PAGESIZE)
    assert done.returncode == 0, done.stderr
