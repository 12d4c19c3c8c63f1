"""Stage `report`: writes the report of a results folder. That of the workspace's own results also goes to MLflow."""

import argparse
from pathlib import Path

from pipeline.process import run_stage
from pipeline.workspace import current_workspace


def main(argv: list[str] | None = None) -> None:
    """Write the report of a results folder and print its path. For the workspace's own, also print a summary."""
    parser = argparse.ArgumentParser(prog="report", description="Write report.html, REPORT.md, figures and tables.")
    parser.add_argument(
        "results", nargs="?", type=Path, help="folder with runs/ and profiles/; default: the workspace's"
    )
    arguments = parser.parse_args(argv)
    from pipeline.reporting import summary
    from pipeline.reporting.mlflow_pages import show_report  # imports Altair, which needs a home folder
    from pipeline.reporting.report import write_report

    workspace = current_workspace()
    if arguments.results is not None:
        print(write_report(arguments.results))
        return
    print(write_report(workspace.results, just_judged=True))  # the previous stage has judged the claims
    show_report(workspace, print)
    summary.main()


if __name__ == "__main__":
    run_stage("report", current_workspace().locks, main)
