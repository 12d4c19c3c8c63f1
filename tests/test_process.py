"""How processes begin and end: locks that no kill leaves behind, stages that end with the DVC that called them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from processes import LONGEST_SECONDS, wait_until, wait_until_ended

from pipeline.errors import StorageError
from pipeline.process import is_held, locked, only_one, uninterrupted

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.process import only_one
with only_one("run-resnet", Path(sys.argv[1]), patience_seconds=0):
    print("held", flush=True)
    time.sleep(1e6)
"""


def test_a_held_lock_is_refused_naming_its_holder_and_free_once_the_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(StorageError, match=f"already running in process {holder.pid}"),
        only_one("run-resnet", tmp_path, patience_seconds=0.1),
    ):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with only_one("run-resnet", tmp_path, patience_seconds=1):
        pass
    holder.stdout.close()


def test_both_ways_to_wait_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "run-resnet.lock"

    def refuse() -> None:
        raise TimeoutError

    with only_one("run/resnet", tmp_path, patience_seconds=0):
        assert is_held("run/resnet", tmp_path) and path.read_text() == f"{os.getpid()}\n"
        with pytest.raises(TimeoutError), locked(path, before_waiting=refuse):
            pass
    assert not is_held("run/resnet", tmp_path)
    with locked(path), pytest.raises(StorageError, match="already running"), only_one("run/resnet", tmp_path, 0):
        pass


STAGE = """
import sys, time
from pathlib import Path
from pipeline.process import run_stage

def work():
    Path(sys.argv[1]).write_text(str(__import__("os").getpid()))
    time.sleep(1e6)

run_stage("test", Path(sys.argv[1]).parent, work)
"""


def test_a_stage_ends_when_the_dvc_that_called_it_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    dvc = tmp_path / "dvc"  # stands for the command: what is looked for is an ancestor of that name
    dvc.write_text(f"#!{sys.executable}\nimport subprocess, sys\nsubprocess.run(sys.argv[1:])\n")
    dvc.chmod(0o755)
    environment = {**os.environ, "DVC_STAGE": "test"}
    caller = subprocess.Popen(
        [sys.executable, str(dvc), "/bin/sh", "-c", f"{sys.executable} -c '{STAGE}' {mark}; true"], env=environment
    )
    wait_until(lambda: mark.exists() and bool(mark.read_text()))
    stage = psutil.Process(int(mark.read_text()))
    caller.kill()
    caller.wait()
    wait_until_ended([stage])


def test_a_stage_whose_dvc_was_killed_before_it_could_look_begins_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    done = subprocess.run(
        [sys.executable, "-c", STAGE, str(mark)],
        env={**os.environ, "DVC_STAGE": "test"},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
    )
    assert done.returncode == 143 and "is gone" in done.stderr and not mark.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_an_uninterrupted_block_has_ended_and_then_arrives_once(number: signal.Signals) -> None:
    told: list[str] = []
    former = signal.signal(number, lambda *_: told.append("arrived"))
    try:
        with uninterrupted():
            signal.raise_signal(number)
            signal.raise_signal(number)
            told.append("block ended")
        assert told == ["block ended", "arrived"]
        signal.raise_signal(number)  # the former handler is in force again
        assert told == ["block ended", "arrived", "arrived"]
    finally:
        signal.signal(number, former)


TALKING = """
import sys
from pathlib import Path
from pipeline.process import run_and_exit

def talk():
    for line in range(100_000):
        print(line)
        print(line, file=sys.stderr)
    Path(sys.argv[1]).touch()

run_and_exit(talk)
"""


def test_work_goes_on_silently_when_nobody_reads_any_more(tmp_path: Path) -> None:
    """As in `convstudy … 2>&1 | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-c", TALKING, str(tmp_path / "done")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None and process.stdout.readline() == b"0\n"
    process.stdout.close()
    assert process.wait(LONGEST_SECONDS) == 0
    assert (tmp_path / "done").exists()
