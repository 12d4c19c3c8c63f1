"""The verbs of stored results: report, ui, replay, doctor, gc."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.verbs.options import Output, verb
from pipeline.workspace import current_workspace


@verb("convstudy report", "convstudy report --into /tmp/report")
def report(
    out: Output,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write only to this folder, not to MLflow.")
    ] = None,
) -> None:
    """Write the report again from the records in reports/results, and show it in MLflow."""
    from pipeline.reporting.mlflow_pages import show_report
    from pipeline.reporting.report import write_report
    from pipeline.search.searches import stored_records

    workspace = current_workspace()
    page = write_report(workspace.results, into=into, searched=lambda: stored_records(workspace, None))
    out.line(str(page))
    if into is None:
        show_report(workspace, out.line)
    out.answer({"report": str(page)})


@verb("convstudy ui", "convstudy ui --port 5001")
def ui(out: Output, port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the server.")] = 5000) -> None:
    """Show the runs in MLflow's UI, for browsers on this machine only."""
    from pipeline.tracking.ui import serve_ui

    url = f"http://127.0.0.1:{port}"

    def announce() -> None:
        out.line(f"MLflow UI: {url} (press Ctrl-C to stop)")
        out.answer({"url": url})

    serve_ui(current_workspace().mlflow, port=port, on_free=announce)


@verb("convstudy replay", "convstudy replay --json summary.json")
def replay(out: Output) -> None:
    """Rebuild MLflow from the run store (runs/), without duplicates."""
    from pipeline.reporting.rebuild import rebuild_mlflow

    summary = rebuild_mlflow(current_workspace(), out.line)
    out.answer(summary, ", ".join(f"{count} {what}" for what, count in summary.items()))


@verb("convstudy doctor", "convstudy doctor --json -")
def doctor(out: Output) -> None:
    """Show what is installed, which device is used, and the state of data and stores."""
    from pipeline.reporting.doctor import examine

    findings = examine(current_workspace())
    lines = []
    for section, facts in findings.items():
        lines += [section, *(f"  {key:<20} {value}" for key, value in facts.items())]
    out.answer(findings, "\n".join(lines))


@verb("convstudy gc --dry-run", "convstudy gc --weights")
def gc(
    out: Output,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; list what can go, with sizes.")] = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="Also remove weights; networks can then no longer be loaded.")
    ] = False,
) -> None:
    """Remove what no finished run needs: leftovers, runs of older engines and, on request, weights."""
    from pipeline.evidence.collect import collect

    found = collect(current_workspace().runs, weights=weights, remove=not dry_run)
    lines = [f"{item['bytes']:>14,} bytes  {item['path']}  ({item['why']})" for item in found]
    done = "can go" if dry_run else "removed"
    lines += [f"{done}: {len(found)} items, {sum(item['bytes'] for item in found):,} bytes"]
    out.answer(found, "\n".join(lines))
