"""The report in MLflow: one run a profile, with its page, its pictures, and how many claims have which verdict."""

from collections.abc import Callable

from pipeline.claims.verdicts import ClaimVerdict
from pipeline.files import read_json
from pipeline.schema import read_record
from pipeline.tracking.content import report_summary
from pipeline.tracking.mirror import Mirror, code_commit
from pipeline.workspace import Workspace


def show_report(place: Workspace, tell: Callable[[str], None]) -> None:
    """Show the workspace's report in MLflow, if it has been written; `tell` hears why it cannot be shown."""
    if not (place.results / "report.html").exists():
        return
    claims = place.results / "claims.json"
    verdicts = read_record(list[ClaimVerdict], claims) if claims.exists() else []
    profiles = {read_json(path)["profile"] for path in sorted((place.results / "runs").glob("*.json"))}
    with Mirror.open(place.mlflow, tell, code_commit(place.root)) as mirror:
        mirror.report(", ".join(sorted(profiles)) or "report", report_summary(verdicts, place.results))
