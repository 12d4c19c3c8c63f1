"""Stage `simulation`: measures how often verdicts are false, in simulated studies of the current claims."""

from pipeline.claims.catalogue import catalogue_of
from pipeline.claims.parts import AnalyticPart
from pipeline.claims.simulation import STUDIES, simulate
from pipeline.files import write_json
from pipeline.process import run_stage
from pipeline.schema import to_json
from pipeline.settings import read_settings
from pipeline.workspace import current_workspace

SEEDS, REPEATS = 8, 10_000
STUDIES_OF_SMOKE = 200


def main() -> None:
    """Write reports/results/simulation.json, a Simulation with as many parts as the current claims have."""
    workspace = current_workspace()
    primary = others = 0
    for claim in catalogue_of(workspace).claims.values():
        estimated = sum(not isinstance(part, AnalyticPart) for part in claim.parts)
        primary, others = (primary + estimated, others) if claim.primary else (primary, others + estimated)
    studies = STUDIES_OF_SMOKE if read_settings(workspace.params_file).profile == "smoke" else STUDIES
    found = simulate(primary, others, SEEDS, studies, REPEATS)
    write_json(workspace.results / "simulation.json", to_json(found))
    print(
        f"simulation: {found.false_primary:.1%} of {found.studies} studies had a false verdict on any of {primary} "
        f"primary parts; {found.false_others:.1%} of the verdicts on {others} other parts were false"
    )


if __name__ == "__main__":
    run_stage("simulation", current_workspace().locks, main)
