"""Writes the report of a results folder from its records.

Read:    runs/<group>.json (GroupRecord), profiles/*.json (lists of CostProfile),
         studies/*.json (as `convstudy search --json`), finalists/*.json (FinalistsRecord);
         optional: claims.json (list of ClaimVerdict), experiments/*.json (GroupRecord), timings/*.json (TimingRecord),
         simulation.json (Simulation)
Written: figures/*.png, networks.csv, curves.csv, metrics.json, REPORT.md, report.html
"""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.claims.catalogue import catalogues_of
from pipeline.claims.claim_records import judged_evidence
from pipeline.claims.judging import judge_all
from pipeline.claims.simulation import Simulation
from pipeline.claims.verdicts import ClaimVerdict
from pipeline.cost.records import CostProfile
from pipeline.errors import StorageError, UsageError
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.population import published_full_trainings, published_table
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import is_writable, write_bytes, write_json, write_text
from pipeline.reporting.claims.view import ClaimsView, claims_view
from pipeline.reporting.comparison import Comparison, compare
from pipeline.reporting.rendering import figures_in, render_html, render_markdown, sections_of, study_sections
from pipeline.reporting.tables import curves_csv, metrics, networks_csv
from pipeline.schema import read_optional, read_record, to_json
from pipeline.workspace import Workspace, current_workspace

FEATURED = "quick"
"""Name of the published results shown in the README."""


def write_report(
    results: Path,
    workspace: Workspace | None = None,
    further: Path | None = None,
    into: Path | None = None,
    searched: Callable[[], Iterable[StudyRecord]] = tuple,
    just_judged: bool = False,
) -> Path:
    """Write all files of the report, and return the path of its HTML page.

    Everything is computed before anything is written, so a failure leaves the last report unchanged.

    Args:
        results: the folder of records.
        workspace: the workspace with claims.yaml and published records; default: the current one.
        further: a second folder of records; its networks, searches and finalists are shown, too.
        into: where to write the report; default: `results`.
        searched: returns the searches to show if `results` has no studies/.
        just_judged: claims.json is known to match the claims and records; they are not judged again.

    Raises:
        UsageError: there is nothing to report, or claims.json does not match the workspace's claims and the records.
        StorageError: a record does not match its schema, or the folder cannot be written.
    """
    into = into or results
    if not is_writable(into):
        raise StorageError(f"cannot write the report into {into}: the folder is read-only; name another with --into")
    folders = [results] if further is None else [results, further]
    workspace = workspace or current_workspace()
    groups, profiles = _networks(folders)
    records, finalists = _searches(folders)
    studies = study_sections(records if (results / "studies").exists() else [*records, *searched()], finalists)
    if not groups and not profiles and not studies and not (results / "claims.json").exists():
        raise UsageError(
            f"nothing to report: {results} has no runs/*.json and no profiles/*.json, and no search has a trial; "
            "run `dvc repro` or `convstudy search` first"
        )
    comparisons = compare(groups, profiles)
    sections = sections_of(comparisons)
    claims = _claims(results, workspace, comparisons, just_judged)
    pictures = {figure.identifier: figure.png() for figure in figures_in(sections, studies, claims)}
    texts = {
        "networks.csv": networks_csv(comparisons),
        "curves.csv": curves_csv(comparisons),
        "REPORT.md": render_markdown(sections, studies, claims),
        "report.html": render_html(sections, studies, claims),
    }
    for identifier, picture in pictures.items():
        write_bytes(into / "figures" / f"{identifier}.png", picture)
    for stale in (into / "figures").glob("*.png"):
        if stale.stem not in pictures:
            stale.unlink()
    found = metrics(comparisons, finalists.values(), claims.counts if claims else {})
    write_json(into / "metrics.json", to_json(found))
    for name, text in texts.items():
        write_text(into / name, text)
    return into / "report.html"


def _found(folders: Sequence[Path], kind: str) -> list[Path]:
    return [path for folder in folders for path in sorted((folder / kind).glob("*.json"))]


def read_published(folder: Path) -> Comparison:
    """The comparison of a published study, which has exactly one."""
    (comparison,) = compare(*_networks([folder]))
    return comparison


def _networks(folders: Sequence[Path]) -> tuple[list[GroupRecord], list[CostProfile]]:
    groups = [read_record(GroupRecord, path) for path in _found(folders, "runs")]
    lists = [read_record(list[CostProfile], path) for path in _found(folders, "profiles")]
    return groups, [profile for profiles in lists for profile in profiles]


def _searches(folders: Sequence[Path]) -> tuple[list[StudyRecord], dict[str, FinalistsRecord]]:
    """Records of studies, and records of finalists by study; empty files are skipped."""
    studies = [read_optional(StudyRecord, path) for path in _found(folders, "studies")]
    finalists = [read_optional(FinalistsRecord, path) for path in _found(folders, "finalists")]
    return [record for record in studies if record], {record.study: record for record in finalists if record}


def _agree(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal up to rounding, which differs between processors."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_agree(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_agree, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def _claims(
    results: Path, workspace: Workspace, comparisons: Sequence[Comparison], just_judged: bool
) -> ClaimsView | None:
    """Verdicts with their evidence; None if there is no claims.json."""
    judged = results / "claims.json"
    if not judged.exists():
        return None
    source, own = catalogues_of(workspace)
    if results != workspace.results:  # only the workspace's own results hold the user's claims
        own = replace(own, claims={})
    evidence, table = judged_evidence(workspace, results, own), published_table(workspace)
    verdicts = read_record(list[ClaimVerdict], judged)
    if not just_judged and not _agree(to_json(judge_all(source, own, evidence)), to_json(verdicts)):
        raise UsageError(f"{judged} does not match the current claims and records; judge again: dvc repro judge")
    simulations = [results / "simulation.json", workspace.published / "claims" / "simulation.json"]
    return claims_view(
        replace(own, claims={**source.claims, **own.claims}),
        verdicts,
        evidence,
        comparisons,
        next((read_record(Simulation, path) for path in simulations if path.exists()), None),
        Path(os.path.relpath(workspace.root, results)).as_posix(),
        (table, published_full_trainings(workspace)) if table else None,
    )
