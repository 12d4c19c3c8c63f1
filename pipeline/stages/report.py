"""The stage `report`: writes the report of a results folder, by default the workspace's, and shows that in MLflow."""

import argparse
from pathlib import Path

from pipeline.process import run_stage
from pipeline.workspace import current_workspace


def main(argv: list[str] | None = None) -> None:
    """Write the report of a results folder and print where it is; the workspace's own is shown in MLflow as well."""
    parser = argparse.ArgumentParser(prog="report", description="Write report.html, REPORT.md, figures and tables.")
    parser.add_argument(
        "results", nargs="?", type=Path, help="folder with runs/ and profiles/ (default: the workspace's)"
    )
    arguments = parser.parse_args(argv)
    from pipeline.reporting import summary
    from pipeline.reporting.mlflow_pages import show_report  # Altair needs a home folder when it is imported
    from pipeline.reporting.report import write_report

    workspace = current_workspace()
    if arguments.results is not None:
        print(write_report(arguments.results))
        return
    print(write_report(workspace.results, just_judged=True))  # by the stage before this one
    show_report(workspace, print)
    summary.main()


if __name__ == "__main__":
    run_stage("report", current_workspace().locks, main)
