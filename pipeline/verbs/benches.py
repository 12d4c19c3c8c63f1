"""The verbs that measure convstudy itself: bench, bench-search."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UsageError, unknown_name
from pipeline.verbs.options import Output, verb
from pipeline.workspace import current_workspace


@verb("convstudy bench throughput", "convstudy bench throughput packing --repeats 3")
def bench(
    out: Output,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="throughput, packing, limit, overhead, data, growth, searching, rates, accuracy, study, start_up, "
            "cards; default: all, which takes hours."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="Measurements of each arm.")] = 5,
    data: Annotated[str, typer.Option(help="Prepared data set, by name or folder.")] = "fashion-mnist",
) -> None:
    """Compare this project's speed with other trainers on this machine, measured in turn."""
    from benchmarks import run_benchmarks
    from pipeline.actions.inputs import data_folder

    workspace = current_workspace()
    folder = data_folder(workspace, data)
    out.answer(run_benchmarks(names or [], repeats, folder, workspace.results / "benchmarks", out.line))


@verb("convstudy bench-search", "convstudy bench-search --samplers tpe,random --repeats 10")
def bench_search(
    out: Output,
    samplers: Annotated[
        str, typer.Option(help="Comma-separated: tpe, nsga2, evolution, random, qmc, gp (hours), module:Class.")
    ] = "tpe,nsga2,evolution,random,qmc",
    repeats: Annotated[int, typer.Option(min=2, help="Searches of each kind.")] = 30,
    table: Annotated[Path | None, typer.Option(help="Table of a population; default: the published one.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of parallel searches; default: one per core.")
    ] = None,
) -> None:
    """Compare samplers, with and without halving, in simulated searches of a population of trained networks."""
    from benchmarks.search_bench import compare_into
    from benchmarks.search_verdict import summary
    from pipeline.evidence.population import TABLE
    from pipeline.evidence.study_records import SAMPLERS
    from pipeline.machine import default_workers
    from pipeline.search.plans import check_sampler

    workspace = current_workspace()
    wanted = [name.strip() for name in samplers.split(",")]
    for name in wanted:
        if name not in SAMPLERS and ":" not in name:
            raise unknown_name("sampler", name, SAMPLERS)
        check_sampler(name)
    chosen = [sampler for sampler in SAMPLERS if sampler in (*wanted, "random")]  # random is the baseline
    chosen += [name for name in wanted if name not in SAMPLERS]
    file = table or workspace.published / TABLE
    if not file.exists():
        raise UsageError(f"{file} does not exist: python -m benchmarks.population trains a population (hours)")
    result = workspace.results / "benchmarks" / "search.json"
    comparison = compare_into(result, file, chosen, repeats, workers or default_workers("cpu"), out.line)
    out.answer(comparison, summary(comparison))
