"""Generated parts of the README and of docs/. Every number in them comes from a published record.

`python -m pipeline.publishing.pages` updates them; a test fails when one is stale. A part is the text between
`<!-- generated: NAME -->` and `<!-- end -->`. Each part is on exactly one page. A table cell holds one value.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.fidelity import rank_correlations
from benchmarks.fidelity import tabulate as tabulate_fidelity
from benchmarks.records import Benchmark, overall
from benchmarks.search_bench import SearchComparison
from benchmarks.search_verdict import findings
from benchmarks.search_verdict import tabulate as tabulate_searches
from pipeline.claims.tables import count
from pipeline.claims.verdicts import ClaimVerdict, PartVerdict
from pipeline.errors import UsageError
from pipeline.evidence.population import FULL, TABLE, FullTrainings, PopulationTable
from pipeline.evidence.records import Interval
from pipeline.files import write_text
from pipeline.process import run_and_exit
from pipeline.publishing.python import python_reference
from pipeline.publishing.reference import commands, files, table
from pipeline.reporting.claims.words import figure_of, figures_confirmed
from pipeline.reporting.comparison import Comparison
from pipeline.reporting.report import FEATURED, read_published
from pipeline.schema import read_record
from pipeline.workspace import Workspace, current_workspace

THROUGHPUT = "throughput"
OTHER_BENCHMARKS = ("packing", "study", "overhead", "limit", "accuracy", "growth", "searching")
MARK = re.compile(r"(<!-- generated: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renew_pages(workspace: Workspace) -> list[Path]:
    """Update the generated parts of README.md and docs/*.md; returns the pages."""
    pages = pages_of(workspace.root)
    texts = with_generated_parts({page: page.read_text() for page in pages}, generated_parts(workspace.published))
    for page, text in texts.items():
        write_text(page, text)
    return pages


def pages_of(root: Path) -> list[Path]:
    """README.md and docs/*.md."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def with_generated_parts(pages: Mapping[Path, str], parts: Mapping[str, str]) -> dict[Path, str]:
    """The pages with all generated parts replaced.

    Raises UsageError for a mark without a part, and for a part that is not on exactly one page.
    """
    marks = Counter(name for text in pages.values() for _, name, _ in MARK.findall(text))
    for name in parts.keys() | marks.keys():
        if name not in parts or marks[name] != 1:
            raise UsageError(f"the generated part {name!r} must exist and be on exactly one page, not on {marks[name]}")
    return {
        page: MARK.sub(lambda match: f"{match[1]}{parts[match[2]].strip()}\n{match[3]}", text)
        for page, text in pages.items()
    }


def generated_parts(published: Path) -> dict[str, str]:
    """Name -> generated part, from the records in reports/published, the verbs and the schemas."""
    comparison = read_published(published / FEATURED)
    claims = read_record(list[ClaimVerdict], published / "claims" / "claims.json")
    throughput = _benchmark(published, THROUGHPUT)
    return {
        "results": _results(comparison),
        "setting": _setting(comparison),
        "primary": _primary(claims),
        "verdicts": _verdicts(claims),
        "fast": _fast(throughput, _benchmark(published, "packing"), _benchmark(published, "overhead")),
        "speed": _speed(throughput),
        "findings": _findings([throughput, *(_benchmark(published, name) for name in OTHER_BENCHMARKS)]),
        "cards": _findings([_benchmark(published, "cards")]),
        "search": _search(published),
        "commands": commands(),
        "files": files(),
        "python": python_reference(),
    }


def _benchmark(published: Path, name: str) -> Benchmark:
    return read_record(Benchmark, published / "benchmarks" / f"{name}.json")


def _between(interval: tuple[float, float] | None, digits: str = ".2f") -> str:
    return f"{interval[0]:{digits}} to {interval[1]:{digits}}" if interval else ""


def _results(comparison: Comparison) -> str:
    rows = []
    for network in comparison.scored:  # lowest error first
        error = comparison.error(network)
        assert error is not None
        seconds = f"{network.train_seconds.mean:.0f}" if network.train_seconds else ""
        interval = _between(error.interval, ".1f")
        rows.append((network.label, f"{network.params:,}", f"{network.macs:,}", f"{error.mean:.1f}", interval, seconds))
    return table(("network", "parameters", "MACs", "test error, %", "95 % interval", "seconds per training"), rows, 1)


def _setting(comparison: Comparison) -> str:
    runs = [run for network in comparison.networks for run in network.runs]
    measured = next(run.measurement for run in runs if run.measurement is not None)
    record = comparison.networks[0].record
    assert record is not None
    recipe, hardware = record.recipe, measured.hardware
    return (
        f"Fashion-MNIST, {len(comparison.networks)} networks, {len({run.seed for run in runs})} seeds each, "
        f"{recipe.epochs} epochs on {recipe.train_images or 'all'} training images, {hardware['processor']} "
        f"({hardware['cores']} cores, {hardware['instruction_set']}), torch {measured.versions['torch']}. "
        "Short trainings on part of the data: a first look, not a ranking."
    )


def _primary(claims: Sequence[ClaimVerdict]) -> str:
    rows = [(claim.id, claim.statement, f"**{claim.verdict}**") for claim in claims if claim.primary]
    return f"{table(('', 'claim', 'verdict'), rows)}\n\n{count(claims)}."


def _verdicts(claims: Sequence[ClaimVerdict]) -> str:
    """The parts of the primary claims, then the ids of all claims by verdict."""
    rows = []
    for claim in claims:
        if claim.primary:
            rows.append((f"**{claim.id}**", claim.statement, "", "", "", f"**{claim.verdict}**", ""))
            rows += [("", part.measure, *_part(part)) for part in claim.parts]
    lines = [table(("", "claim and its parts", "effect", "95 % interval", "n", "verdict", "caution"), rows), ""]
    for verdict in dict.fromkeys(claim.verdict for claim in claims):
        lines.append(f"- *{verdict}*: {', '.join(claim.id for claim in claims if claim.verdict == verdict)}")
    return "\n".join(lines)


def _part(part: PartVerdict) -> tuple[str, str, str, str, str]:
    """Effect, interval, n, verdict and caution of one part."""
    caution = "; ".join([*(["may be too small to matter"] if part.may_be_small else []), *part.cautions])
    if part.kind == "analytic" and part.verdict == "holds in part":
        wrong = figure_of(part)
        return f"{wrong.name}: {wrong.value:,.3g}", "", "", part.verdict, figures_confirmed(part)
    effect = "" if part.effect is None else f"{part.effect:,.3g} {part.unit}"
    interval = _between(part.interval, ".3g")
    return effect, interval, f"{part.n}" if part.interval else "", part.verdict, caution


def _fast(throughput: Benchmark, packing: Benchmark, overhead: Benchmark) -> str:
    """A summary of training speed."""
    source = [row for row in throughput.rows if not row.case.endswith("-small")]
    small = [row for row in throughput.rows if row.case.endswith("-small")]
    found: list[tuple[str, str, Interval]] = [
        (f"the source's {len(source)} networks", "textbook trainer", overall(source, "textbook")),
        (f"{len(small)} small networks", "textbook trainer", overall(small, "textbook")),
        (f"{len(small)} small networks", "PyTorch Lightning", overall(small, "lightning")),
        ("small networks, one training per core", "textbook trainer", overall(packing.rows, "textbook")),
    ]
    rows = [(what, than, f"{ratio.mean:.1f}", _between(ratio.interval, ".1f")) for what, than, ratio in found]
    titles = ("training", "against", "times as fast", "95 % interval")
    return f"{table(titles, rows, 2)}\n\n{_machine(throughput)}, n = {found[0][2].n}."


def _speed(benchmark: Benchmark) -> str:
    arms = list(benchmark.rows[0].ratios)
    titles = ["network", "images/s", *(title for arm in arms for title in (f"times {arm}", "95 % interval"))]
    rows = []
    for row in benchmark.rows:
        ours = row.median(next(iter(row.arms)))
        cells = [row.case, f"{ours:,.0f}" if ours >= 100 else f"{ours:.1f}"]
        for arm in arms:
            cells += [f"{row.ratios[arm].mean:.2f}", _between(row.ratios[arm].interval)]
        rows.append(cells)
    n = next(iter(benchmark.rows[0].ratios.values())).n
    return f"{table(titles, rows, 1)}\n\n{_machine(benchmark)}, n = {n}; medians of images/s."


def _machine(benchmark: Benchmark) -> str:
    hardware = benchmark.hardware
    cores = f"{hardware['cores']} cores, {hardware['instruction_set']}"
    return f"{hardware['processor']} ({cores}), torch {benchmark.versions['torch']}"


def _findings(benchmarks: Sequence[Benchmark]) -> str:
    rows = []
    for benchmark in benchmarks:
        theirs = benchmark.hardware
        machine = theirs.get("gpu") or f"{theirs['cores']} cores, {theirs['instruction_set']}"
        rows += [(benchmark.name, finding, machine) for finding in benchmark.findings]
    return table(("benchmark", "finding", "machine"), rows)


def _search(published: Path) -> str:
    """Comparison of samplers in the simulated population, and rank correlations of its trainings."""
    comparison = read_record(SearchComparison, published / "benchmarks" / "search.json")
    population = read_record(PopulationTable, published / TABLE)
    full = read_record(FullTrainings, published / FULL) if (published / FULL).exists() else None
    recipe = population.plan.recipe
    short = f"{recipe.epochs} epochs on {recipe.train_images:,} images in {recipe.precision}"
    long = ""
    if full is not None and full.is_whole:
        precisions = Counter(training.precision for training in full.networks)
        listed = " and ".join(f"{precision} ({number})" for precision, number in precisions.items())
        long = f"; full: {full.recipe.epochs} epochs on {full.train_images:,} images in {listed}"
    return "\n".join(
        [
            tabulate_searches(comparison),
            "",
            f"Searches were simulated in a population of {comparison.networks} trained networks. A surrogate predicts "
            f"all others; its rank correlation on unseen networks is {comparison.rank_correlation:.2f}. Budgets are "
            "in full trainings. Values are means with 95 % intervals.",
            "",
            *(f"- {line}." for line in findings(comparison)),
            "",
            f"How well cheap trainings rank networks (short: {short}{long}), Spearman's correlation:",
            "",
            tabulate_fidelity(rank_correlations(population, full)),
        ]
    )


if __name__ == "__main__":
    run_and_exit(lambda: print(*renew_pages(current_workspace()), sep="\n"))
