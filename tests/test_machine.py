"""What the machine is asked: peaks of memory that belong to one training, and kills for want of memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.machine import cores, keep_freed_memory, kills_for_memory

PEAKS = """
import torch
from pipeline.machine import keep_freed_memory, peak_memory_bytes, reset_peak_memory

keep_freed_memory()
large = torch.ones(400 * 2**18)  # 400 MiB
del large
before = peak_memory_bytes()
reset_peak_memory()
small = torch.ones(50 * 2**18)
print(before - peak_memory_bytes())
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="only glibc's memory can be kept and given back")
def test_a_trainings_peak_of_memory_is_its_own() -> None:
    told = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    assert 300 * 2**20 < int(told.stdout) < 400 * 2**20


@pytest.mark.parametrize(
    ("groups", "counter", "content"),
    [
        ("0::/box\n", "sys/fs/cgroup/box/memory.events", "low 4\noom 9\noom_kill 3\noom_group_kill 8\n"),
        ("4:cpu:/\n3:memory:/a/b\n0::/\n", "sys/fs/cgroup/memory/a/b/memory.oom_control", "under_oom 0\noom_kill 3\n"),
        ("0::/\n", "proc/vmstat", "nr_free_pages 12\noom_kill 3\n"),
    ],
)
def test_kills_for_memory_are_those_of_the_own_group_where_it_counts_them(
    groups: str, counter: str, content: str, tmp_path: Path
) -> None:
    assert kills_for_memory(tmp_path) == 0
    for name, text in (("proc/vmstat", "oom_kill 70\n"), ("proc/self/cgroup", groups), (counter, content)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert kills_for_memory(tmp_path) == 3


@pytest.mark.parametrize(
    ("groups", "files", "allowed"),
    [
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "max 100000", "sys/fs/cgroup/a/cpu.max": "250000 100000"}, 2),
        ("0::/box\n", {"sys/fs/cgroup/box/cpu.max": "50000 100000"}, 1),
        ("4:cpu,cpuacct:/box\n3:memory:/box\n", {"sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "300000"}, 3),
        ("4:cpu:/box\n", {"sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1"}, 8),
        ("0::/\n", {}, 8),
    ],
)
def test_a_quota_of_the_control_groups_limits_the_cores(
    groups: str, files: dict[str, str], allowed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.machine.os.sched_getaffinity", lambda pid: set(range(8)))
    period = {"sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000"}
    for name, text in {"proc/self/cgroup": groups, **period, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert cores(tmp_path) == allowed
