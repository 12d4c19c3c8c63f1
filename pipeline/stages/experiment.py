"""Stage `experiment`: trains the arms of one experiment; `python -m pipeline.stages.experiment NAME`."""

import sys

from pipeline.files import write_json
from pipeline.process import run_stage
from pipeline.schema import to_json
from pipeline.stages.reproduce import carry_out
from pipeline.workspace import current_workspace


def main(name: str) -> None:
    """Write reports/results/experiments/<name>.json, a GroupRecord; empty where the profile has no size for it.

    Raises RunsFailedError, and writes nothing, where a run was lost for a passing reason.
    """
    workspace = current_workspace()
    record = carry_out(workspace, workspace.plans / "experiments" / f"{name}.json")
    write_json(workspace.results / "experiments" / f"{name}.json", to_json(record))


if __name__ == "__main__":
    run_stage(f"experiment-{sys.argv[1]}", current_workspace().locks, lambda: main(sys.argv[1]))
