"""The verbs about what is there already: report, MLflow's UI and its rebuilding, doctor, garbage collection."""

from typing import Annotated

import typer

from pipeline.verbs.options import Debug, Json, Quiet, teller, write


def report(json_file: Json = None, debug: Debug = False, quiet: Quiet = False) -> None:
    """Write the report again from the records in reports/results, and show it in MLflow."""
    from pipeline.reporting.mlflow_pages import show_report
    from pipeline.reporting.report import write_report
    from pipeline.workspace import current_workspace

    workspace, tell = current_workspace(), teller(quiet, json_file)
    page = write_report(workspace.results)
    tell(f"{page}")
    show_report(workspace, tell)
    write(json_file, {"report": str(page)})


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    json_file: Json = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Browse the runs in MLflow's UI, on this machine only."""
    from pipeline.tracking.ui import serve_ui
    from pipeline.workspace import current_workspace

    url = f"http://127.0.0.1:{port}"
    teller(quiet, json_file)(f"MLflow UI: {url} (Ctrl-C ends it)")
    write(json_file, {"url": url})
    serve_ui(current_workspace().mlflow, port=port)


def replay(json_file: Json = None, debug: Debug = False, quiet: Quiet = False) -> None:
    """Rebuild MLflow from the run store, without doubles."""
    from pipeline.reporting.rebuild import rebuild_mlflow
    from pipeline.workspace import current_workspace

    summary = rebuild_mlflow(current_workspace(), teller(quiet, json_file))
    if json_file is None and not quiet:
        print(", ".join(f"{count} {what}" for what, count in summary.items()))
    write(json_file, summary)


def doctor(json_file: Json = None, debug: Debug = False, quiet: Quiet = False) -> None:
    """Say what is installed, which device is used, and how data and stores are."""
    from pipeline.reporting.doctor import examine
    from pipeline.workspace import current_workspace

    findings = examine(current_workspace())
    if json_file is None and not quiet:
        for section, facts in findings.items():
            print(section)
            for key, value in facts.items():
                print(f"  {key:<20} {value}")
    write(json_file, findings)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what can go and how large it is.")] = False,
    weights: Annotated[bool, typer.Option("--weights", help="Weights of finished runs may go, too.")] = False,
    json_file: Json = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Remove what no finished run needs: leftovers, runs of older engines, on demand weights."""
    from pipeline.evidence.collect import collect
    from pipeline.workspace import current_workspace

    found = collect(current_workspace().runs, weights=weights, remove=not dry_run)
    if json_file is None and not quiet:
        verb = "can go" if dry_run else "removed"
        for item in found:
            print(f"{item['bytes']:>14,} bytes  {item['path']}  ({item['why']})")
        print(f"{verb}: {len(found)} items, {sum(item['bytes'] for item in found):,} bytes")
    write(json_file, found)
