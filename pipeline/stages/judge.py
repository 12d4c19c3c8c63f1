"""Stage `judge`: claims and the records of their experiments become verdicts; nothing is trained."""

from pipeline.claims.claim_records import catalogue_of, judged_evidence
from pipeline.claims.judging import judge
from pipeline.claims.tables import count
from pipeline.files import write_json
from pipeline.process import run_stage
from pipeline.schema import to_json
from pipeline.workspace import current_workspace


def main() -> None:
    """Write reports/results/claims.json, a list of ClaimVerdict.

    Raises UsageError where a record is not of the plan in force.
    """
    workspace = current_workspace()
    catalogue = catalogue_of(workspace)
    evidence = judged_evidence(workspace, workspace.results, catalogue)
    verdicts = judge(catalogue, evidence)
    write_json(workspace.results / "claims.json", to_json(verdicts))
    print(f"judge: {count(verdicts)}; {len(evidence.experiments)} of {len(catalogue.experiments)} experiments")


if __name__ == "__main__":
    run_stage("judge", current_workspace().locks, main)
