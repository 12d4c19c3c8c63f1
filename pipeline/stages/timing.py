"""Stage `timing`: measures the arms of the profile's timings in turn."""

from functools import partial

from pipeline.claims.timings.plans import PlannedTiming
from pipeline.files import fresh_folder, write_json
from pipeline.process import run_stage
from pipeline.schema import read_record, to_json
from pipeline.workspace import current_workspace


def main() -> None:
    """Write reports/results/timings/<name>.json, a TimingRecord, for each timing with a plan."""
    workspace = current_workspace()
    target = fresh_folder(workspace.results / "timings")
    for plan_file in sorted((workspace.plans / "timings").glob("*.json")):
        from pipeline.claims.timings.measuring import take_timing  # loads PyTorch, needed only if there are plans
        from pipeline.machine import resolve_device

        record = take_timing(read_record(PlannedTiming, plan_file), resolve_device(), partial(print, flush=True))
        write_json(target / plan_file.name, to_json(record))


if __name__ == "__main__":
    run_stage("timing", current_workspace().locks, main)
