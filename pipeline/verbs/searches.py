"""The verbs of searches: search, studies, status, finalists."""

from typing import Annotated

import typer

from pipeline.cost.table import objective_names
from pipeline.errors import UsageError
from pipeline.verbs.limits import limited
from pipeline.verbs.options import Data, Device, DryRun, Output, Workers, tabular, verb
from pipeline.workspace import current_workspace

LONGEST_NAME_BYTES = 200


def _hidden(url: str | None) -> str | None:
    """The URL of the storage, hidden in this process's command line, since it may contain a password."""
    from pipeline.process import hide_arguments

    if url is not None:
        hide_arguments(url)
    return url


def _short_enough(name: str | None) -> str | None:
    """A study's name, which is part of the name of its lock file; raises UsageError for one that is too long."""
    if name is not None and len(name.encode()) > LONGEST_NAME_BYTES:
        raise UsageError(f"--study (={name[:20]}…) must be at most {LONGEST_NAME_BYTES} bytes long")
    return name


Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="sqlite:///FILE or postgresql://…; default: CONVSTUDY_STORAGE, or studies/.",
        callback=_hidden,
    ),
]


@verb(
    "convstudy search resnet --trials 100 --max-macs 40M",
    "convstudy search vgg,resnet,anynet-e --objectives error,latency --hours 2",
)
@limited
def search(
    out: Output,
    families: Annotated[
        str,
        typer.Argument(
            help="lenet, alexnet, vgg, nin, googlenet, resnet, resnext, densenet, regnet, anynet-a to anynet-e; "
            "several separated by commas."
        ),
    ],
    limits: dict[str, float],
    trials: Annotated[int | None, typer.Option(min=1, help="Total number of trained networks; default: 40.")] = None,
    hours: Annotated[float | None, typer.Option(help="Total hours of search, instead of --trials.")] = None,
    objectives: Annotated[
        str, typer.Option(help=f"What to minimise, comma-separated: {', '.join(objective_names())}.")
    ] = "error,macs",
    sampler: Annotated[
        str, typer.Option(help="auto, tpe, nsga2, evolution, gp, random, qmc or module:Class.")
    ] = "auto",
    fidelity: Annotated[
        str, typer.Option(help="full: train all networks fully; halving: only the better ones.")
    ] = "halving",
    data: Data = None,
    train_images: Annotated[
        int | None, typer.Option(min=1, help="Number of training images, stratified; default: all.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of a full training; default: the recipe's.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile with the recipe to use; default: the current one.")
    ] = None,
    workers: Workers = None,
    executor: Annotated[str, typer.Option(help="Where trainings run: processes.")] = "processes",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sampler and the trainings.")] = 0,
    storage: Storage = None,
    study: Annotated[
        str | None,
        typer.Option(help="Name of the search's study; default: made from its settings.", callback=_short_enough),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the study of this name and start over.")] = False,
    warm_start: Annotated[
        str | None, typer.Option(metavar="STUDY", help="Study whose trials the sampler also learns from.")
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="Retries of a training that was lost.")] = 2,
    dry_run: DryRun = False,
) -> None:
    """Search design spaces for the best networks within limits. Run the same command again to resume.

    It prints the front with the paths of the weights, and the name of the search's study. Next: `convstudy finalists`.
    """
    from pipeline.running.workers import prepare_workers

    if not dry_run:
        prepare_workers()
    from pipeline.actions import searches
    from pipeline.search import tables

    wanted = searches.SearchOptions(
        families=families.split(","),
        limits=limits,
        trials=trials,
        hours=hours,
        objectives=objectives,
        sampler=sampler,
        fidelity=fidelity,
        data=data,
        train_images=train_images,
        epochs=epochs,
        profile=profile,
        workers=workers,
        executor=executor,
        device=device,
        seed=seed,
        storage=storage,
        study=study,
        fresh=fresh,
        warm_start=warm_start,
        retries=retries,
    )
    if dry_run:
        text, value = searches.estimate_search(current_workspace(), wanted)
        out.answer(value, text)
        return
    record = searches.search(current_workspace(), wanted, out.quiet)
    out.answer(record, tables.tabulate(record))
    searches.check_search(record)


@verb("convstudy studies", "convstudy studies --storage postgresql://user@host/studies")
@tabular
def studies(out: Output, storage: Storage = None) -> None:
    """List the studies of a storage."""
    from pipeline.actions.tables import studies_table
    from pipeline.search import searches

    rows = searches.list_studies(current_workspace(), storage)
    lines = [
        f"{row['study']:<44} {row['state']:<12} {row['counted']:>5} counted  {','.join(row['space'])}" for row in rows
    ]
    text = "\n".join(lines or ["no studies yet; `convstudy search` creates one"])
    out.answer(rows, text, lambda: studies_table(rows))


@verb("convstudy status STUDY", "convstudy status STUDY --json study.json")
@tabular
def status(
    out: Output,
    study: Annotated[str, typer.Argument(help="Name of the search's study; see `convstudy studies`.")],
    storage: Storage = None,
) -> None:
    """Show the progress and the front of a study."""
    from pipeline.actions.tables import trials_table
    from pipeline.search import searches, tables

    record = searches.status(current_workspace(), study, storage)
    out.answer(record, tables.tabulate(record), lambda: trials_table(record))


@verb("convstudy dashboard", "convstudy dashboard STUDY --port 8081")
def dashboard(
    out: Output,
    study: Annotated[str | None, typer.Argument(help="The study to open; default: the list of all.")] = None,
    host: Annotated[str, typer.Option(help="Address to serve on; 0.0.0.0: reachable from other machines.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    storage: Storage = None,
) -> None:
    """Browse studies in optuna-dashboard (extra: dashboard)."""
    from pipeline.search.dashboard import KNOWN_LIMITS, serve_dashboard

    def announce(url: str) -> None:
        out.line(f"optuna-dashboard: {url} (Ctrl-C ends it)")
        out.line(f"note: {KNOWN_LIMITS}")
        out.answer({"url": url})

    serve_dashboard(current_workspace(), storage, study, host, port, announce)


@verb("convstudy finalists STUDY", "convstudy finalists STUDY --seeds 8 --members 2 --no-random-search")
@tabular
def finalists(
    out: Output,
    study: Annotated[str, typer.Argument(help="Name of the search's study; see `convstudy studies`.")],
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each network.")] = 5,
    members: Annotated[int, typer.Option(min=1, help="Maximum number of networks taken from the front.")] = 8,
    random_networks: Annotated[
        int, typer.Option(min=0, help="Random networks per member, of equal cost; intervals need 7.")
    ] = 8,
    random_search: Annotated[
        bool, typer.Option("--random-search/--no-random-search", help="Compare with a random search of equal compute.")
    ] = True,
    data: Annotated[str | None, typer.Option(help="Prepared data, by name or folder; default: the search's.")] = None,
    workers: Workers = None,
    storage: Storage = None,
) -> None:
    """Retrain a study's best networks with new seeds, test each once, and compare with baselines."""
    from pipeline.running.workers import prepare_workers

    prepare_workers()
    from pipeline.actions import searches
    from pipeline.actions.tables import members_table
    from pipeline.search import tables
    from pipeline.settings import FinalistsSettings

    record = searches.finalists(
        current_workspace(),
        study,
        FinalistsSettings(seeds, members, random_networks, random_search),
        data=data,
        workers=workers,
        storage=storage,
        quiet=out.quiet,
    )
    out.answer(record, tables.tabulate_finalists(record), lambda: members_table(record))
    searches.check_finalists(record)
