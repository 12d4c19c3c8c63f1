"""The verbs of searches: search, studies, status, finalists."""

from collections import Counter
from typing import Annotated

import typer

from pipeline.cost.table import objective_names
from pipeline.errors import RunsFailedError, UsageError
from pipeline.verbs.limits import limited
from pipeline.verbs.options import Data, Device, DryRun, Output, Workers, data_folder, open_data, verb
from pipeline.workspace import current_workspace


def _hidden(url: str | None) -> str | None:
    """The storage's URL, taken out of what others see of this process, since it may hold a password."""
    from pipeline.process import hide_arguments

    if url is not None:
        hide_arguments(url)
    return url


Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="sqlite:///FILE or postgresql://…; default: CONVSTUDY_STORAGE, or studies/ here.",
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
    families: Annotated[str, typer.Argument(help="Design spaces, joined by commas: resnet, or vgg,resnet,anynet-e.")],
    limits: dict[str, float | None],
    trials: Annotated[int | None, typer.Option(min=1, help="Total number of trained networks; default: 40.")] = None,
    hours: Annotated[float | None, typer.Option(help="Total hours of searching, instead of trials.")] = None,
    objectives: Annotated[
        str, typer.Option(help=f"What to minimise, joined by commas: {', '.join(objective_names())}.")
    ] = "error,macs",
    sampler: Annotated[
        str, typer.Option(help="auto, tpe, nsga2, evolution, gp, random, qmc or module:Class.")
    ] = "auto",
    fidelity: Annotated[
        str, typer.Option(help="full: every network trains to the end; halving: the better ones.")
    ] = "halving",
    data: Data = None,
    train_images: Annotated[int | None, typer.Option(min=1, help="Size of a stratified subset; default: all.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of a network that trains in full.")] = None,
    profile: Annotated[str | None, typer.Option(help="Whose recipe is used; default: the one in force.")] = None,
    workers: Workers = None,
    executor: Annotated[str, typer.Option(help="Where trainings run: processes.")] = "processes",
    device: Device = "auto",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    storage: Storage = None,
    study: Annotated[str | None, typer.Option(help="The study's name; default: made from what is searched.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the study of that name and start over.")] = False,
    warm_start: Annotated[str | None, typer.Option(metavar="STUDY", help="Let the sampler learn from another.")] = None,
    retries: Annotated[int, typer.Option(min=0, help="Retries of a training whose worker was lost.")] = 2,
    dry_run: DryRun = False,
) -> None:
    """Search design spaces for the best networks within limits. Run the same command again to resume."""
    from pipeline.running.workers import prepare_workers

    if not dry_run:
        prepare_workers()
    from pipeline.cost.limits import Limits
    from pipeline.evidence.records import PASSING_REASONS
    from pipeline.evidence.study_records import Budget
    from pipeline.machine import resolve_device
    from pipeline.running.open_runner import RunnerOptions
    from pipeline.schema import parse
    from pipeline.search import estimate, plans, searches, tables, warm_starts

    if fidelity not in ("full", "halving"):
        raise UsageError(f"unknown fidelity {fidelity!r}: known: full, halving")
    workspace, settings, folder, manifest = open_data(data)
    changes = {"epochs": epochs, "train_images": train_images}
    plan = plans.plan_search(
        [family.strip() for family in families.split(",")],
        settings.search_recipe(profile, {key: value for key, value in changes.items() if value is not None}),
        manifest,
        resolve_device(device),
        objectives=plans.read_objectives(objectives),
        limits=Limits(limits),
        sampler=sampler,
        halving=fidelity == "halving",
        seed=seed,
        warm_start=None if warm_start is None else warm_starts.warm_start_of(workspace, storage, warm_start),
    )
    budget = parse(Budget, {"trials": 40 if trials is None and hours is None else trials, "hours": hours}, "budget")
    if dry_run:
        text, value = estimate.estimate_search(workspace, manifest, plan, budget, study, storage, workers, fresh)
        out.answer(value, text)
        return
    record = searches.search(
        workspace,
        manifest,
        plan,
        budget,
        name=study,
        url=storage,
        fresh=fresh,
        options=RunnerOptions(workers, folder, keep_weights=True, retries=retries, executor=executor),
        quiet=out.quiet,
    )
    out.answer(record, tables.tabulate(record))
    lost = [trial for trial in record.trials if trial.reason in PASSING_REASONS]
    if lost:  # a network that diverged is a result of the search; one that the machine lost is none
        raise RunsFailedError(f"{len(lost)} of {record.counted} trials were lost: {lost[0].reason}")
    if record.trials and all(trial.state == "failed" for trial in record.trials):
        (reason, count), *_ = Counter(trial.reason for trial in record.trials).most_common()
        raise RunsFailedError(f"all {len(record.trials)} trials failed; most common reason ({count}): {reason}")


@verb("convstudy studies", "convstudy studies --storage postgresql://user@host/studies")
def studies(out: Output, storage: Storage = None) -> None:
    """List the studies of a storage."""
    from pipeline.search import searches

    rows = searches.list_studies(current_workspace(), storage)
    lines = [
        f"{row['study']:<44} {row['state']:<12} {row['counted']:>5} counted  {','.join(row['space'])}" for row in rows
    ]
    out.answer(rows, "\n".join(lines or ["no study yet: `convstudy search` makes one"]))


@verb("convstudy status STUDY", "convstudy status STUDY --json study.json")
def status(
    out: Output,
    study: Annotated[str, typer.Argument(help="A study's name.")],
    storage: Storage = None,
) -> None:
    """Show the progress and the front of a study."""
    from pipeline.search import searches, tables

    record = searches.status(current_workspace(), study, storage)
    out.answer(record, tables.tabulate(record))


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
def finalists(
    out: Output,
    study: Annotated[str, typer.Argument(help="A study's name.")],
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each network, from scratch.")] = 5,
    members: Annotated[int, typer.Option(min=1, help="Maximum number of networks taken from the front.")] = 8,
    random_networks: Annotated[
        int, typer.Option(min=0, help="Drawn at the cost of each member; 7 for an interval.")
    ] = 8,
    random_search: Annotated[
        bool, typer.Option("--random-search/--no-random-search", help="Compare with one of the same compute.")
    ] = True,
    data: Annotated[str | None, typer.Option(help="Where the study's data lie, if not in the workspace.")] = None,
    workers: Workers = None,
    storage: Storage = None,
) -> None:
    """Retrain a study's best with new seeds, test each once, and compare with what needs no search."""
    from pipeline.running.workers import prepare_workers

    prepare_workers()
    from pipeline.running.open_runner import RunnerOptions
    from pipeline.search import tables
    from pipeline.search.finalist_runs import run_finalists
    from pipeline.settings import FinalistsSettings

    wanted = FinalistsSettings(seeds, members, random_networks, random_search)
    workspace = current_workspace()
    folder = None if data is None else data_folder(workspace.prepared_data, data)
    options = RunnerOptions(workers, folder, keep_weights=True)
    record = run_finalists(workspace, study, wanted, url=storage, options=options, quiet=out.quiet)
    out.answer(record, tables.tabulate_finalists(record))
    if record.lost:
        raise RunsFailedError(f"{record.lost} trainings were lost: the same command tries them again")
    failed = [member.trial for member in record.members if member.test_error_percent is None]
    if failed:
        raise RunsFailedError(f"no training of trial {failed[0]} was completed")
