"""The stage `report`: reads the records of a results folder and writes the report, its figures and its tables there.

Read:    runs/<group>.json (GroupRecord), profiles/*.json (lists of CostProfile),
         studies/*.json (as `convstudy search --json`), finalists/*.json (FinalistsRecord)
Written: figures/*.png, networks.csv, curves.csv, metrics.json, REPORT.md, report.html
"""

import argparse
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.evidence.comparison import compare
from pipeline.evidence.records import CostProfile, GroupRecord
from pipeline.evidence.rendering import render_html, render_markdown, sections_of, study_sections
from pipeline.evidence.study_records import FinalistsRecord
from pipeline.evidence.tables import curves_csv, metrics, networks_csv
from pipeline.files import read_json, write_bytes, write_json, write_text
from pipeline.process import run_stage
from pipeline.schema import read_record
from pipeline.workspace import workspace


def main(argv: list[str] | None = None) -> None:
    """Write the report of a results folder, by default the workspace's, and print where it is."""
    parser = argparse.ArgumentParser(prog="report", description="Write report.html, REPORT.md, figures and tables.")
    parser.add_argument(
        "results", nargs="?", type=Path, help="folder with runs/ and profiles/ (default: the workspace's)"
    )
    arguments = parser.parse_args(argv)
    print(write_report(arguments.results or workspace().results))


def write_report(results: Path) -> Path:
    """Write everything the report consists of into `results`, and return the path of its page.

    Everything is worked out before anything is written, so that a failure leaves the last report as it was.

    Raises:
        UsageError: there is neither a group record nor a cost profile.
        StorageError: a record does not fit its schema, or the disk refuses.
    """
    groups = [read_record(GroupRecord, path) for path in sorted((results / "runs").glob("*.json"))]
    lists = [read_record(list[CostProfile], path) for path in sorted((results / "profiles").glob("*.json"))]
    profiles = [profile for profiles in lists for profile in profiles]
    if not groups and not profiles:
        raise UsageError(f"nothing to report: {results} has no runs/*.json and no profiles/*.json")
    comparisons = compare(groups, profiles)
    sections = sections_of(comparisons)
    studies = study_sections(*_searches(results))
    figures = [figure for section in sections for figure in section.figures]
    figures += [figure for study in studies for figure in study.figures]
    pictures = {figure.identifier: figure.png() for figure in figures}
    texts = {
        "networks.csv": networks_csv(comparisons),
        "curves.csv": curves_csv(comparisons),
        "REPORT.md": render_markdown(sections, studies),
        "report.html": render_html(sections, studies),
    }
    for identifier, picture in pictures.items():
        write_bytes(results / "figures" / f"{identifier}.png", picture)
    for stale in (results / "figures").glob("*.png"):
        if stale.stem not in pictures:
            stale.unlink()
    write_json(results / "metrics.json", metrics(comparisons))
    for name, text in texts.items():
        write_text(results / name, text)
    return results / "report.html"


def _searches(results: Path) -> tuple[list[dict[str, Any]], dict[str, FinalistsRecord]]:
    """Records of studies, and of finalists by study; entries that searched nothing are empty."""
    studies = [read_json(path) for path in sorted((results / "studies").glob("*.json"))]
    written = [path for path in sorted((results / "finalists").glob("*.json")) if read_json(path)]
    return studies, {record.study: record for record in (read_record(FinalistsRecord, path) for path in written)}


if __name__ == "__main__":
    run_stage("report", workspace().locks, main)
