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
from benchmarks.search_bench import SearchComparison
from benchmarks.search_verdict import summary as summarise_searches
from pipeline.claims.catalogue import catalogue_of
from pipeline.claims.claim_records import judged_evidence
from pipeline.claims.tables import count
from pipeline.claims.verdicts import ClaimVerdict, PartVerdict
from pipeline.errors import UsageError
from pipeline.evidence.population import FULL, TABLE, FullTrainings, PopulationTable
from pipeline.evidence.statistics import AT_THE_EDGE
from pipeline.files import write_text
from pipeline.process import run_and_exit
from pipeline.publishing.python import python_reference
from pipeline.publishing.reference import commands, files, table
from pipeline.publishing.speed import between, speed_parts
from pipeline.reporting.claims.costs import costs_of
from pipeline.reporting.claims.view import anchor_of
from pipeline.reporting.comparison import Comparison
from pipeline.reporting.formatting import listing, number
from pipeline.reporting.formatting import p_value as shown_p_value
from pipeline.reporting.report import FEATURED, read_published
from pipeline.schema import read_record
from pipeline.workspace import Workspace, current_workspace

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
    return {
        "intro": _intro(claims),
        "results": _results(comparison),
        "setting": _setting(comparison),
        "primary": _primary(claims),
        "verdicts": _verdicts(claims),
        "hours": _hours(Workspace(published.parents[1])),
        "search": _search(published),
        **speed_parts(published),
        "commands": commands(),
        "files": files(),
        "python": python_reference(),
    }


def _intro(claims: Sequence[ClaimVerdict]) -> str:
    calculated = sum(all(part.kind == "analytic" for part in claim.parts) for claim in claims)
    return (
        f"It also tests {len(claims)} claims about depth, width and cost from a course on modern CNNs (AlexNet to "
        f"DenseNet): {calculated} by calculation, {len(claims) - calculated} by experiments or timings with repeats "
        "and a 95 % interval. The course notebook (*the source*) is based on *Dive into Deep Learning*."
    )


def _results(comparison: Comparison) -> str:
    rows = []
    for network in sorted(comparison.scored, key=lambda network: network.macs):
        error = comparison.error(network)
        assert error is not None
        seconds = f"{network.train_seconds.mean:.0f}" if network.train_seconds else ""
        rows.append(
            (network.label, f"{network.params:,}", f"{network.macs:,}", f"{error.mean:.1f}",
             between(error.interval, ".1f"), seconds)
        )  # fmt: skip
    titles = ("network", "parameters", "MACs", "test error, %", "95 % interval", "seconds per training")
    return table(titles, rows, 1)


def _setting(comparison: Comparison) -> str:
    runs = [run for network in comparison.networks for run in network.runs]
    measured = next(run.measurement for run in runs if run.measurement is not None)
    record = comparison.networks[0].record
    assert record is not None
    recipe, hardware = record.recipe, measured.hardware
    at_the_edge = listing([network.label for network in comparison.networks if AT_THE_EDGE in network.flags])
    return (
        f"Fashion-MNIST, {len(comparison.networks)} networks sorted by MACs (multiply-accumulates for one image), "
        f"{len({run.seed for run in runs})} seeds (repeated trainings) each, {recipe.epochs} epochs on "
        f"{recipe.train_images or 'all'} training images, {hardware['processor']} ({hardware['cores']} cores, "
        f"{hardware['instruction_set']}), torch {measured.versions['torch']}. This is a first look, not a ranking: "
        "trainings are short"
        + (f", and {at_the_edge} did best at the lowest or highest learning rate tried." if at_the_edge else ".")
    )


def _primary(claims: Sequence[ClaimVerdict]) -> str:
    rows = []
    for claim in claims:
        if claim.primary:
            small = " (may be small)" if any(part.may_be_small for part in claim.parts) else ""
            rows.append((_linked(claim, ""), claim.statement, f"**{claim.verdict}**{small}"))
    return f"{table(('', 'claim', 'verdict'), rows)}\n\n{count(claims)}."


def _linked(claim: ClaimVerdict, to_root: str) -> str:
    return f"[{claim.id}]({to_root}reports/published/claims/REPORT.md#{anchor_of(claim.id)})"


def _verdicts(claims: Sequence[ClaimVerdict]) -> str:
    """The parts of the primary claims, then all claims by verdict."""
    rows: list[tuple[str, ...]] = []
    for claim in claims:
        if claim.primary:
            rows.append((f"**{claim.id}**", claim.statement, "", "", "", "", f"**{claim.verdict}**", ""))
            rows += [row for part in claim.parts for row in _rows_of(part)]
    titles = ("", "claim and its parts", "effect", "95 % interval", "n", "adjusted p", "verdict", "notes")
    lines = [table(titles, rows), ""]
    for verdict in dict.fromkeys(claim.verdict for claim in claims):
        found = ", ".join(_linked(claim, "../") for claim in claims if claim.verdict == verdict)
        lines.append(f"- *{verdict}*: {found}")
    return "\n".join(lines)


def _rows_of(part: PartVerdict) -> list[tuple[str, ...]]:
    """One row for a part, and one for each number of a calculation."""
    if part.kind == "analytic":
        rows = [
            ("", f"– {figure.name}", number(figure.value), "", "", "",
             "as claimed" if figure.holds else "not as claimed", f"claimed: {figure.said}")
            for figure in part.figures
        ]  # fmt: skip
        return [("", part.measure, "", "", "", "", part.verdict, ""), *rows]
    effect = "" if part.effect is None else f"{part.effect:,.3g} {part.unit}"
    p_value = "" if part.p_value is None else shown_p_value(part.p_value)
    notes = "; ".join([*part.notes, *part.cautions])
    n = f"{part.n}" if part.interval else ""
    return [("", part.measure, effect, between(part.interval, ".3g"), n, p_value, part.verdict, notes)]


def _hours(workspace: Workspace) -> str:
    """What the published experiments took."""
    catalogue = catalogue_of(workspace)
    evidence = judged_evidence(workspace, workspace.published / "claims", catalogue)
    costs = costs_of(evidence, (), catalogue.experiments)
    return (
        f"The published experiments of the profile `full` took {costs.core_hours:.0f} core-hours, those of the profile "
        f"`gpu` {costs.card_hours:.1f} hours of trainings on one GPU."
    )


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
            summarise_searches(comparison),
            "",
            f"Searches were simulated in a population of {comparison.networks} trained networks. A surrogate predicts "
            f"all others; its rank correlation on unseen networks is {comparison.rank_correlation:.2f}.",
            "",
            f"How well cheap trainings rank networks (short: {short}{long}), Spearman's correlation, 95 % intervals by "
            "bootstrap over networks:",
            "",
            tabulate_fidelity(rank_correlations(population, full)),
        ]
    )


if __name__ == "__main__":
    run_and_exit(lambda: print(*renew_pages(current_workspace()), sep="\n"))
