"""Benchmarks against the tools that a user would use instead: one module per benchmark, each with a function `run`.

`convstudy bench [NAME ...]` runs them and writes reports/results/benchmarks/<name>.json. NOTES.md lists what helped and
what did not.
"""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.records import Benchmark, finish, table
from pipeline.errors import UsageError, unknown_name

NEEDS_A_CARD = ("cards",)
NAMES = (
    *("throughput", "packing", "limit", "overhead", "data", "growth", "searching", "rates", "accuracy", "study"),
    *("start_up", *NEEDS_A_CARD),
)


def run_benchmarks(
    names: Sequence[str], repeats: int, data: Path, results: Path, tell: Callable[[str], None]
) -> list[Benchmark]:
    """Run benchmarks in turn and write each record when it is done. Default: all that this machine can run.

    Raises UsageError for an unknown name, or if a benchmark needs a package that is not installed.
    """
    for name in names:
        if name not in NAMES:
            raise unknown_name("benchmark", name, NAMES)
    done = []
    for name in names or [name for name in NAMES if name not in NEEDS_A_CARD or torch.cuda.is_available()]:
        module = importlib.import_module(f"benchmarks.{name}")
        try:
            rows, findings = module.run(data, repeats, tell)
        except ModuleNotFoundError as error:
            raise UsageError(f"{name} needs the package {error.name}: pip install 'convstudy[bench]'") from error
        done.append(finish(name, rows, findings, results))
        tell(table(done[-1]))
    return done
