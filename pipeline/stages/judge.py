"""Stage `judge`: judges the claims from the records of their experiments, without training."""

from pipeline.claims.catalogue import catalogues_of
from pipeline.claims.claim_records import judged_evidence
from pipeline.claims.judging import judge_all
from pipeline.claims.tables import count
from pipeline.files import write_json
from pipeline.process import run_stage
from pipeline.schema import to_json
from pipeline.workspace import current_workspace


def main() -> None:
    """Write reports/results/claims.json, a list of ClaimVerdict.

    Raises UsageError if a record does not match the current plan.
    """
    workspace = current_workspace()
    source, own = catalogues_of(workspace)
    evidence = judged_evidence(workspace, workspace.results, own)
    verdicts = judge_all(source, own, evidence)
    write_json(workspace.results / "claims.json", to_json(verdicts))
    print(f"judge: {count(verdicts)}; {len(evidence.experiments)} of {len(own.experiments)} experiments")


if __name__ == "__main__":
    run_stage("judge", current_workspace().locks, main)
