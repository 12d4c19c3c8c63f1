"""Publishes a study: copies its records to reports/published/NAME, and updates the generated pages.

`python -m pipeline.publishing.publish NAME` publishes the workspace's results.
"""

import re
import shutil
import sys
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.process import run_and_exit
from pipeline.publishing.pages import renew_pages
from pipeline.workspace import Workspace, current_workspace


def publish(workspace: Workspace, name: str, results: Path | None = None) -> Path:
    """Copy records, REPORT.md and figures to reports/published/<name>, and update the pages; returns the folder.

    They come from the workspace or from `results`. Raises UsageError and changes nothing if there are no results.
    """
    results = results or workspace.results
    check_name(name)
    if not (results / "REPORT.md").exists():
        raise UsageError(f"nothing to publish: {results} has no REPORT.md; run the study first: make study")
    target = workspace.published / name
    for folder in ("runs", "profiles", "studies", "finalists", "experiments", "timings", "figures"):
        shutil.rmtree(target / folder, ignore_errors=True)
        if (results / folder).exists():
            shutil.copytree(results / folder, target / folder)
    shutil.copy(results / "REPORT.md", target / "REPORT.md")
    renew_pages(workspace)
    return target


def check_name(name: str) -> None:
    """Raise UsageError if the name is not valid for published results."""
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise UsageError(f"name (={name!r}) must consist of a-z, 0-9 and -")


if __name__ == "__main__":
    run_and_exit(lambda: print(publish(current_workspace(), sys.argv[1])))
