"""What the study costs besides its trainings: whole profiles, a second run, and stages that have nothing to do.

Each repeat runs `dvc repro` in an empty clone of the last commit, with compiled modules, as after `make install`, and
with the raw images at hand. The profile `quick` takes minutes and is run once. CPU time includes workers that outlive
the process that started them.
"""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.records import Row, row
from pipeline.machine import cores
from pipeline.settings import choose_profile
from pipeline.workspace import current_workspace

CLONE = Path(__file__).parents[1]
IDLE_STAGES = ("profile", "reproduce", "search", "finalists", "experiment", "timing")
"""Stages that a profile may have no plan for."""
IDLE_SECONDS, SMOKE_SECONDS, QUICK_SECONDS, QUICK_SHARE = 0.4, 60, 540, 1.25
"""Targets on two idle cores; QUICK_SHARE times the CPU time over the cores is the last one's."""
_PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl.h


@dataclass(frozen=True)
class Cost:
    """Seconds of a command by the clock, and of the CPU by it and all of its descendants."""

    wall: float
    cpu: float


def run(data: Path, repeats: int, tell: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """The study's costs. `data` is not used: each clone prepares its own."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # so that this process is charged for orphaned workers
    smoke, again, stale = [], [], []
    idle: dict[str, list[float]] = {stage: [] for stage in IDLE_STAGES}
    for repeat in range(repeats):
        with _clone("smoke") as clone:
            smoke.append(_repro(clone))
            again.append(_repro(clone))
            stale.append(float(_stale_after_a_change(clone, "quick")))
            tell(f"start_up {repeat + 1}/{repeats}: smoke {smoke[-1].wall:.0f} s, again {again[-1].wall:.1f} s")
        with _clone("smoke") as clone:  # without plans
            for stage, seconds in idle.items():
                seconds.append(_timed([sys.executable, "-m", f"pipeline.stages.{stage}"], clone).wall)
    with _clone("quick") as clone:
        quick = _repro(clone)
    share = quick.wall / (quick.cpu / cores())
    rows = [
        row("profile smoke", "s", {"wall": [c.wall for c in smoke], "cpu": [c.cpu for c in smoke]}, None),
        row("smoke, nothing to do", "s", {"wall": [c.wall for c in again], "cpu": [c.cpu for c in again]}, None),
        *(row(f"stage {stage}, nothing to do", "s", {"wall": seconds}, None) for stage, seconds in idle.items()),
        row("stages of smoke made stale by a change of quick", "stages", {"stale": stale}, None),
        row("profile quick", "s", {"wall": [quick.wall], "cpu": [quick.cpu]}, None),
    ]
    slowest = max(IDLE_STAGES, key=lambda stage: min(idle[stage]))
    return rows, [
        _finding("profile smoke", rows[0].median("wall"), SMOKE_SECONDS, "s"),
        _finding(f"an idle stage at most ({slowest})", min(idle[slowest]), IDLE_SECONDS, "s"),
        _finding("stages made stale by another profile", max(stale), 0, "stages"),
        _finding("profile quick", quick.wall, QUICK_SECONDS, "s"),
        _finding(f"profile quick against CPU time over {cores()} cores", share, QUICK_SHARE, "times"),
    ]


def _finding(what: str, value: float, target: float, unit: str) -> str:
    return f"{what}: {value:.3g} {unit} (target: {target:g}; {'met' if value <= target else 'missed'})"


@contextmanager
def _clone(profile: str) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        clone = Path(folder) / "convstudy"
        subprocess.run(["git", "clone", "--quiet", CLONE, clone], check=True)
        raw = current_workspace().raw_data
        if raw.exists():
            shutil.copytree(raw, clone / "data" / "raw")
        choose_profile(clone / "params.yaml", profile)
        packages = [clone / name for name in ("pipeline", "search_spaces", "benchmarks", "convstudy")]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *packages], check=True)  # as `make install` does
        yield clone


def _repro(clone: Path) -> Cost:
    return _timed([sys.executable, "-m", "pipeline.environment", "dvc", "repro"], clone)


def _timed(command: list[str], clone: Path) -> Cost:
    before, started = _cpu_seconds(), time.perf_counter()
    subprocess.run(command, cwd=clone, env=_environment(clone), check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    _reap_orphans()
    return Cost(wall, _cpu_seconds() - before)


def _stale_after_a_change(clone: Path, profile: str) -> int:
    """Stages that `dvc status` calls changed once the seeds of another profile are."""
    params = clone / "params.yaml"
    head, tail = params.read_text().split(f"  {profile}:\n")
    params.write_text(f"{head}  {profile}:\n{tail.replace('seeds: ', 'seeds: 1', 1)}")
    command = [sys.executable, "-m", "pipeline.environment", "dvc", "status", "--json"]
    said = subprocess.run(command, cwd=clone, env=_environment(clone), check=True, capture_output=True, text=True)
    return said.stdout.count("changed deps")


def _environment(clone: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    outer = {key: value for key, value in os.environ.items() if key not in ("CONVSTUDY_HOME", "DVC_SITE_CACHE_DIR")}
    return {**outer, "PATH": path, "PYTHONPATH": str(clone), "DVC_NO_ANALYTICS": "1"}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _reap_orphans() -> None:
    """Wait for workers that outlived their parents: only then is their CPU time counted."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return
