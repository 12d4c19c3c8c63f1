"""Publishing evidence: records of a real run are copied to reports/published, and README's figures made from them.

`python -m pipeline.publishing.publish NAME` publishes the results of the workspace; without a name it renews the README
alone. Every figure of the README stands between two marks and is written here; a test fails when it is not what the
published records say.
"""

import re
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fidelity import rank_correlations
from benchmarks.fidelity import tabulate as tabulate_fidelity
from benchmarks.records import Benchmark, told
from benchmarks.search_bench import SearchComparison
from benchmarks.search_verdict import findings
from benchmarks.search_verdict import tabulate as tabulate_searches
from pipeline.claims.tables import count
from pipeline.claims.verdicts import ClaimVerdict, PartVerdict
from pipeline.errors import UsageError
from pipeline.evidence.population import FULL, TABLE, FullTrainings, PopulationTable
from pipeline.files import write_text
from pipeline.process import run_and_exit
from pipeline.reporting.claims.words import figure_of, figures_as_said
from pipeline.reporting.comparison import Comparison
from pipeline.reporting.report import FEATURED, read_published
from pipeline.schema import read_record
from pipeline.workspace import Workspace, current_workspace

BESIDE_THROUGHPUT = ("packing", "study", "overhead", "limit", "accuracy", "growth", "searching", "cards")
"""The benchmarks whose findings the README lists below the table of throughput."""


def publish(workspace: Workspace, name: str, results: Path | None = None) -> Path:
    """Copy records, REPORT.md and figures to reports/published/<name>, and renew the README.

    They are those of the workspace, or of another folder of results. A picture of the report that is there stays.
    Raises UsageError, and leaves what is published, where there are no results.
    """
    results = results or workspace.results
    check_name(name)
    if not (results / "REPORT.md").exists():
        raise UsageError(f"{results} holds no results to publish: run the study first")
    target = workspace.published / name
    for folder in ("runs", "profiles", "studies", "finalists", "experiments", "timings", "figures"):
        shutil.rmtree(target / folder, ignore_errors=True)
        if (results / folder).exists():
            shutil.copytree(results / folder, target / folder)
    shutil.copy(results / "REPORT.md", target / "REPORT.md")
    renew_readme(workspace)
    return target


def check_name(name: str) -> None:
    """Raise UsageError unless results may be published under this name."""
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise UsageError(f"name (={name!r}) must consist of a-z, 0-9 and -")


def renew_readme(workspace: Workspace) -> Path:
    """Write README's generated parts anew from what is published."""
    readme = workspace.root / "README.md"
    write_text(readme, with_generated_parts(readme.read_text(), workspace.published))
    return readme


def with_generated_parts(text: str, published: Path) -> str:
    """README's text with everything between generated marks made anew from what is `published`."""
    comparison = read_published(published / FEATURED)
    benchmarks = published / "benchmarks"
    speed = read_record(Benchmark, benchmarks / "throughput.json")
    others = [read_record(Benchmark, benchmarks / f"{name}.json") for name in BESIDE_THROUGHPUT]
    parts = {
        "verdicts": _verdicts(published),
        "results": _results(comparison),
        "setting": _setting(comparison),
        "speed": _speed(speed, others),
        "search": _search(published),
    }
    for name, content in parts.items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(\n<!-- end -->)"
        text, found = re.subn(pattern, lambda match, c=content: match[1] + c + match[2], text, flags=re.DOTALL)  # type: ignore[misc]
        if found != 1:
            raise UsageError(f"README.md must hold the marks of the generated part {name!r} once, not {found} times")
    return text


def _verdicts(published: Path) -> str:
    """The primary claims with their effects, and all claims by verdict."""
    claims = read_record(list[ClaimVerdict], published / "claims" / "claims.json")
    rows = ["| claim | verdict | what it rests on |", "|---|---|---|"]
    for claim in claims:
        if claim.primary:
            effects = "; ".join(f"{part.measure}: {_effect(part)}" for part in claim.parts)
            rows.append(f"| **{claim.id}** {claim.statement} | **{claim.verdict}** | {effects} |")
    told = [count(claims) + "."]
    for verdict in dict.fromkeys(claim.verdict for claim in claims):
        told.append(f"- *{verdict}*: {', '.join(claim.id for claim in claims if claim.verdict == verdict)}")
    return "\n".join([*rows, "", *told])


def _effect(part: PartVerdict) -> str:
    """An effect with its interval, its verdict and what must be known of its arms, or what was counted."""
    if part.interval is not None:
        low, high = part.interval
        small = ", but may be too small to speak of" if part.may_be_small else ""
        cautions = f" ({'; '.join(part.cautions)})" if part.cautions else ""
        return f"{part.effect:.3g} {part.unit} [{low:.3g}, {high:.3g}] (n={part.n}), {part.verdict}{small}{cautions}"
    if part.kind == "analytic" and part.verdict == "holds in part":
        wrong = figure_of(part)
        return f"{figures_as_said(part)}, not {wrong.name}: {wrong.value:,.3g}; {part.verdict}"
    if part.effect is None:
        return part.verdict
    return f"{part.effect:,.3g} {part.unit}, {part.verdict}"


def _results(comparison: Comparison) -> str:
    rows = [
        "| network | parameters | MACs | test error, % | 95 % interval | seconds a training |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for network in comparison.scored:  # lowest error first
        error = comparison.error(network)
        assert error is not None
        interval = f"{error.interval[0]:.1f} to {error.interval[1]:.1f}" if error.interval else ""
        seconds = f"{network.train_seconds.mean:.0f}" if network.train_seconds else ""
        rows.append(
            f"| {network.label} | {network.params:,} | {network.macs:,} | {error.mean:.1f} | {interval} | {seconds} |"
        )
    return "\n".join(rows)


def _setting(comparison: Comparison) -> str:
    runs = [run for network in comparison.networks for run in network.runs]
    measured = next(run.measurement for run in runs if run.measurement is not None)
    record = comparison.networks[0].record
    assert record is not None
    recipe = record.recipe
    seeds = sorted({run.seed for run in runs})
    hardware = measured.hardware
    return (
        f"{len(comparison.networks)} networks, {len(seeds)} seeds each, {recipe.epochs} epochs on "
        f"{recipe.train_images or 'all'} training images, on {hardware['processor']} "
        f"({hardware['cores']} cores, {hardware['instruction_set']}) with torch {measured.versions['torch']}. "
        "Short trainings on a part of the data: a first look, not a ranking."
    )


def _speed(benchmark: Benchmark, others: Sequence[Benchmark]) -> str:
    """The table of throughput and what it comes to, then the findings of the other benchmarks."""
    arms = list(benchmark.rows[0].ratios)
    lines = [
        "| network | images/s |" + "".join(f" times {arm} |" for arm in arms),
        "|---|--:|" + "--:|" * len(arms),
    ]
    for row in benchmark.rows:
        ours = row.median(next(iter(row.arms)))
        shown = f"{ours:,.0f}" if ours >= 100 else f"{ours:.1f}"
        lines.append(f"| {row.case} | {shown} |" + "".join(f" {told(row.ratios[arm])} |" for arm in arms))
    hardware = benchmark.hardware
    setting = (
        f"{hardware['processor']} ({hardware['cores']} cores, {hardware['instruction_set']}), "
        f"torch {benchmark.versions['torch']}; medians, ratios with 95 % intervals."
    )
    findings = [f"- {finding[:1].upper()}{finding[1:]}." for finding in benchmark.findings]
    for other in others:
        theirs = other.hardware
        machine = theirs.get("gpu") or f"{theirs['cores']} cores with {theirs['instruction_set']}"
        elsewhere = f" (on {machine})" if theirs != hardware else ""
        findings += [f"- {other.name.capitalize()}: {finding}{elsewhere}." for finding in other.findings]
    return "\n".join([*lines, "", setting, "", *findings])


def _search(published: Path) -> str:
    """How samplers compare in the simulated population, and how well its trainings rank networks."""
    comparison = read_record(SearchComparison, published / "benchmarks" / "search.json")
    table = read_record(PopulationTable, published / TABLE)
    full = read_record(FullTrainings, published / FULL) if (published / FULL).exists() else None
    setting = (
        f"Searches simulated in a population of {comparison.networks} networks; the surrogate that answers for the "
        f"others ranks networks it has not seen with a correlation of {comparison.rank_correlation:.2f}. Budgets are "
        "in trainings in full, means with 95 % intervals; hypervolume of error and MACs, error with error alone."
    )
    recipe = table.plan.recipe
    short = f"{recipe.epochs} epochs on {recipe.train_images:,} images in {recipe.precision}"
    long = ""
    if full is not None and full.is_whole:
        precisions = Counter(training.precision for training in full.networks)
        told = " and ".join(f"{precision} ({count})" for precision, count in precisions.items())
        long = f"; full: {full.recipe.epochs} epochs on {full.train_images:,} in {told}"
    fidelity = f"How well trainings rank networks (short: {short}{long}), Spearman's correlation:"
    found = [f"- {line}." for line in findings(comparison)]
    lines = [tabulate_searches(comparison), "", setting, "", *found, "", fidelity, ""]
    return "\n".join([*lines, tabulate_fidelity(rank_correlations(table, full))])


if __name__ == "__main__":
    run_and_exit(
        lambda: print(publish(current_workspace(), sys.argv[1]) if sys.argv[1:] else renew_readme(current_workspace()))
    )
