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


@verb("convstudy ui --port 5001", "convstudy ui --host 0.0.0.0 --allowed-hosts gpu1.example.org")
def ui(
    out: Output,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    allowed_hosts: Annotated[
        str | None, typer.Option(metavar="HOSTS", help="Further names by which browsers reach it, joined by commas.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, if there is one.")] = True,
) -> None:
    """Browse the runs in MLflow's UI."""
    from pipeline.tracking.ui import answered, has_browser, read_hosts, serve_ui

    hosts = read_hosts(allowed_hosts or "")

    def announce(page: str) -> None:
        out.line(f"MLflow UI: {page} ({answered(host, port, hosts)})")
        out.answer({"url": f"http://{host}:{port}", "page": page})

    wanted = browser and not out.quiet and has_browser()
    serve_ui(current_workspace().mlflow, host, port, hosts, on_ready=announce, open_browser=wanted)


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
