"""Stage `timing`: measures the arms of one timing in turn; `python -m pipeline.stages.timing NAME`."""

import sys

from pipeline.claims.timings.plans import PlannedTiming, TimingRecord
from pipeline.files import write_json
from pipeline.process import run_stage
from pipeline.schema import read_record, to_json
from pipeline.workspace import current_workspace


def main(name: str) -> None:
    """Write reports/results/timings/<name>.json, a TimingRecord; one without arms where the profile leaves it out."""
    workspace = current_workspace()
    plan = read_record(PlannedTiming, workspace.plans / "timings" / f"{name}.json")
    record = TimingRecord("timing/1", name, plan.profile, "cpu", 1, plan.timing.batch_size, {}, "")
    if plan.rounds:
        from pipeline.claims.timings.measuring import take_timing  # PyTorch is loaded only where something is measured
        from pipeline.machine import resolve_device

        record = take_timing(plan, resolve_device(), lambda line: print(line, flush=True))
    write_json(workspace.results / "timings" / f"{name}.json", to_json(record))


if __name__ == "__main__":
    run_stage(f"timing-{sys.argv[1]}", current_workspace().locks, lambda: main(sys.argv[1]))
