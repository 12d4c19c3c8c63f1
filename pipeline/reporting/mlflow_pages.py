"""Runs in MLflow that show charts: one run per network with its learning curves, and one run per report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from pipeline.claims.verdicts import ClaimVerdict, Verdict
from pipeline.evidence.records import GroupRecord
from pipeline.files import read_json
from pipeline.reporting.charts.learning_curves import draw_learning_curves
from pipeline.schema import read_record
from pipeline.tracking.content import GROUP_EXPERIMENT, Summary, finite, network_summary
from pipeline.tracking.mirror import Mirror, code_commit
from pipeline.workspace import Workspace


def show_report(workspace: Workspace, tell: Callable[[str], None]) -> None:
    """Add the workspace's report to MLflow, if there is one. Calls `tell` with the reason if that fails."""
    if not (workspace.results / "report.html").exists():
        return
    claims = workspace.results / "claims.json"
    verdicts = read_record(list[ClaimVerdict], claims) if claims.exists() else []
    profiles = {read_json(path)["profile"] for path in sorted((workspace.results / "runs").glob("*.json"))}
    with Mirror.open(workspace.mlflow, tell, code_commit(workspace.root)) as mirror:
        mirror.report(", ".join(sorted(profiles)) or "report", _summary(verdicts, workspace.results))


def show_networks(record: GroupRecord, mirror: Mirror) -> None:
    """Add costs, scores and learning curves to each network's parent run."""
    with TemporaryDirectory() as folder:
        charts = draw_learning_curves([record], Path(folder))
        for network in record.networks:
            drawn = charts.get((GROUP_EXPERIMENT, network.name), ())
            mirror.parent(GROUP_EXPERIMENT, network.name, network_summary(network, record.data.name, drawn))


def _summary(verdicts: Sequence[ClaimVerdict], results: Path) -> Summary:
    """The report's files and figures, and the number of claims per verdict."""
    given = [claim.verdict for claim in verdicts]
    counts = {f"claims {verdict}": given.count(verdict) for verdict in get_args(Verdict) if given}
    named = [results / name for name in ("report.html", "REPORT.md", "claims.json", "metrics.json")]
    files = {"": [path for path in named if path.exists()], "figures": sorted((results / "figures").glob("*.png"))}
    return Summary(finite({"claims": len(verdicts), **counts}), {}, files)
