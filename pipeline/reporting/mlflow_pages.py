"""Pages of MLflow that show the report's charts: networks with learning curves, studies with their front, reports."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from pipeline.claims.verdicts import ClaimVerdict, Verdict
from pipeline.cost.records import CostProfile
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import read_json, write_bytes, write_json, write_text
from pipeline.reporting.charts.learning_curves import draw_learning_curves
from pipeline.reporting.charts.searches import course_figure, front_figure
from pipeline.reporting.rendering import render_html, study_sections
from pipeline.reporting.searches.view import StudyView
from pipeline.schema import read_record, to_json
from pipeline.tracking.content import GROUP_EXPERIMENT, PROFILE
from pipeline.tracking.mirror import Mirror, code_commit
from pipeline.tracking.opening import open_mirror
from pipeline.tracking.summaries import Files, Summary, finite, network_summary
from pipeline.workspace import Workspace, current_workspace


def show_report(workspace: Workspace, tell: Callable[[str], None]) -> None:
    """Add the workspace's report to MLflow, if there is one. Calls `tell` with the reason if that fails."""
    if not (workspace.results / "report.html").exists():
        return
    claims = workspace.results / "claims.json"
    verdicts = read_record(list[ClaimVerdict], claims) if claims.exists() else []
    profiles = {read_json(path)["profile"] for path in sorted((workspace.results / "runs").glob("*.json"))}
    with open_mirror(workspace.mlflow, tell, code_commit(workspace.root)) as mirror:
        profile = ", ".join(sorted(profiles))
        mirror.report(profile or "report", _summary(verdicts, workspace.results, profile))


def show_networks(record: GroupRecord, mirror: Mirror) -> None:
    """Add costs, scores and learning curves to each network's parent run."""
    costs = measured_networks(current_workspace())
    with TemporaryDirectory() as folder:
        charts = draw_learning_curves([record], Path(folder))
        for network in record.networks:
            drawn = charts.get((GROUP_EXPERIMENT, network.name), ())
            measured = costs.get(network.name)
            summary = network_summary(network, record.data.name, drawn, record.profile, measured)
            mirror.parent(GROUP_EXPERIMENT, network.name, summary)


def measured_networks(workspace: Workspace) -> dict[str, CostProfile]:
    """The measured costs of the profile's networks, by name."""
    paths = sorted((workspace.results / "profiles").glob("*.json"))
    return {costs.name: costs for path in paths for costs in read_record(list[CostProfile], path)}


def study_files(record: StudyRecord, folder: Path) -> Files:
    """Write a study's record, its report and its charts into `folder`, for the page of the study."""
    view = StudyView("search-1", record)
    write_json(folder / "study.json", to_json(record))
    write_text(folder / "report.html", render_html((), study_sections([record], {}), None))
    figures = [figure for figure in (front_figure(view), course_figure(view)) if figure is not None]
    pictures = [folder / f"{figure.identifier}.png" for figure in figures]
    for path, figure in zip(pictures, figures, strict=True):
        write_bytes(path, figure.png())
    return {"": [folder / "study.json", folder / "report.html"], "figures": pictures}


def _summary(verdicts: Sequence[ClaimVerdict], results: Path, profile: str) -> Summary:
    """The report's files and figures, each claim's verdict, and the number of claims per verdict."""
    given = [claim.verdict for claim in verdicts]
    counts = {f"claims {verdict}": given.count(verdict) for verdict in get_args(Verdict) if given}
    named = [results / name for name in ("report.html", "REPORT.md", "claims.json", "metrics.json")]
    files = {"": [path for path in named if path.exists()], "figures": sorted((results / "figures").glob("*.png"))}
    tags = {f"verdict.{claim.id}": claim.verdict for claim in verdicts}
    return Summary(finite({"claims": len(verdicts), **counts}), {**tags, PROFILE: profile}, files)
