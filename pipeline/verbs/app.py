"""convstudy <verb>: parses, calls, prints. Nothing heavy is imported before a verb needs it.

Exit codes: 0 done; 2 impossible request; 3 data unusable; 4 storage; 5 some runs failed; 130 / 143 interrupted.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import __version__
from pipeline.errors import RunsFailedError, UsageError
from pipeline.verbs import benches, claims, searches, stores
from pipeline.verbs.options import (
    Debug,
    Device,
    Json,
    Network,
    Quiet,
    Workers,
    answer,
    data_folder,
    read_network,
    teller,
    write,
)

app = typer.Typer(
    name="convstudy",
    help="Searches convolutional architectures and reproduces, with statistics, what is claimed about them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_CLICK_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""The base of typer's complaints about a command line: click's UsageError, of whichever click typer carries."""


@app.callback(invoke_without_command=True)
def _without_verb(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def prepare(
    source: Annotated[
        str, typer.Argument(help="A named source, a folder of class folders, or a CSV.")
    ] = "fashion-mnist",
    name: Annotated[str | None, typer.Option(help="The data set's name; default: the source's.")] = None,
    image_size: Annotated[str, typer.Option(help="Side in pixels, or auto: the images' own, or 32.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unusable files out.")] = False,
    group_by: Annotated[str | None, typer.Option(metavar="REGEX", help="Its first group stays in one split.")] = None,
    given: Annotated[Path | None, typer.Option("--from", help="A folder with a named source's files.")] = None,
    json_file: Json = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Obtain, check and split images into data/prepared."""
    from pipeline.data.prepare import prepare as prepare_data
    from pipeline.schema import to_json
    from pipeline.workspace import current_workspace

    if image_size != "auto" and not image_size.isdecimal():
        raise UsageError(f"--image-size (={image_size}) must be a number of pixels, or auto")
    workspace = current_workspace()
    manifest = prepare_data(
        source,
        workspace.raw_data,
        workspace.prepared_data,
        name=name,
        image_size=None if image_size == "auto" else int(image_size),
        seed=seed,
        skip_bad=skip_bad,
        group_by=group_by,
        given_folder=given,
        tell=teller(quiet, json_file),
    )
    write(json_file, {**to_json(manifest), "fingerprint": manifest.fingerprint})


@app.command()
def architectures(json_file: Json = None, debug: Debug = False, quiet: Quiet = False) -> None:
    """List the reference networks: name, family, resolution, parameters, MACs."""
    import search_spaces

    rows = [
        {
            "name": name,
            "family": family.name,
            "resolution": reference.resolution,
            "params": reference.params,
            "macs": reference.macs,
            "source": reference.source,
        }
        for name, (family, reference) in search_spaces.references().items()
    ]
    if json_file is None and not quiet:
        print(f"{'name':<24} {'family':<10} {'pixels':>6} {'params':>13} {'MACs':>16}  source")
        for row in rows:
            print(
                f"{row['name']:<24} {row['family']:<10} {row['resolution']:>6} {row['params']:>13,} "
                f"{row['macs']:>16,}  {row['source']}"
            )
    write(json_file, rows)


@app.command()
def profile(
    network: Network,
    resolution: Annotated[int | None, typer.Option(min=1, help="In pixels; default: the reference's, or 28.")] = None,
    channels: Annotated[int, typer.Option(min=1)] = 1,
    classes: Annotated[int, typer.Option(min=1)] = 10,
    device: Device = "auto",
    no_latency: Annotated[bool, typer.Option("--no-latency", help="Count only; time nothing.")] = False,
    json_file: Json = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Price one network: parameters, MACs, activations, memory, latency, layer by layer."""
    from pipeline.cost.profile import describe, profile_network
    from pipeline.machine import resolve_device
    from pipeline.running.plans import resolve_network
    from pipeline.schema import to_json

    name, given = read_network(network)
    family, config, reference = resolve_network(name, given)
    priced = profile_network(
        name,
        family,
        config,
        resolution or (reference.resolution if reference else 28),
        channels,
        classes,
        resolve_device(device),
        latency=not no_latency,
    )
    if json_file is None and not quiet:
        print(describe(priced))
    write(json_file, to_json(priced))


@app.command()
def train(
    network: Network,
    data: Annotated[str | None, typer.Option(help="A prepared data set, by name or folder.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    train_images: Annotated[int | None, typer.Option(min=1, help="A stratified subset of so many.")] = None,
    recipe: Annotated[str, typer.Option(help="A recipe of params.yaml.")] = "common",
    lr: Annotated[float | None, typer.Option(help="Peak learning rate; default: the recipe's.")] = None,
    seed: Annotated[int, typer.Option()] = 1,
    device: Device = "auto",
    workdir: Annotated[Path | None, typer.Option(help="Where runs/ and mlruns/ are kept; default: here.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Score the test split once, after training.")] = False,
    json_file: Json = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train one network once; the same command continues an interrupted run, or finds a finished one."""
    from pipeline.running.workers import prepare_workers

    prepare_workers()
    from pipeline.data.manifest import load_manifest
    from pipeline.machine import resolve_device
    from pipeline.running.single import single_request, train_single
    from pipeline.settings import read_settings
    from pipeline.workspace import Workspace, current_workspace

    home = current_workspace()
    settings = read_settings(home.params_file)
    folder = data_folder(home.prepared_data, data or settings.data.name)
    manifest = load_manifest(folder)
    changes = {"epochs": epochs, "train_images": train_images, "learning_rate": lr}
    name, given = read_network(network)
    request = single_request(
        name,
        given,
        settings,
        recipe,
        {key: value for key, value in changes.items() if value is not None},
        manifest,
        seed,
        resolve_device(device),
        test,
    )
    workspace = Workspace(workdir.resolve()) if workdir else home
    trained = train_single(workspace, folder, manifest, request, quiet)
    write(json_file, trained)
    if trained["state"] == "failed":
        raise RunsFailedError(f"{name}: {trained['reason']}")


@app.command()
def reproduce(
    names: Annotated[list[str] | None, typer.Argument(help="References; default: the profile's.")] = None,
    profile: Annotated[str | None, typer.Option(help="A profile of params.yaml; default: the one in force.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds per network; default: the profile's.")] = None,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, hours and disk.")] = False,
    json_file: Json = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Train networks under one protocol: learning rate chosen on validation data, n seeds, one test each."""
    from pipeline.running.workers import prepare_workers

    if not dry_run:
        prepare_workers()
    from pipeline.reporting.mlflow_pages import show_networks
    from pipeline.running.campaign import estimate_campaign, plan_campaign, run_plan, tabulate
    from pipeline.schema import to_json
    from pipeline.settings import read_settings
    from pipeline.workspace import current_workspace

    workspace = current_workspace()
    plan = plan_campaign(workspace, read_settings(workspace.params_file), names or [], profile, seeds)
    if dry_run:
        answer(json_file, *estimate_campaign(workspace, plan, workers), quiet)
        return
    record = run_plan(workspace, plan, "reproduce", workers=workers, quiet=quiet, on_record=show_networks)
    if json_file is None and not quiet:
        print(tabulate(record))
    write(json_file, to_json(record))
    failed = [f"{network.name} seed {run.seed}" for network in record.networks for run in network.runs if run.reason]
    failed += [f"{network.name} (no run)" for network in record.networks if not network.runs]
    if failed:
        raise RunsFailedError(f"{len(failed)} runs failed: {', '.join(failed)}")


@app.command("contact-sheet")
def contact_sheet(
    recipe: Annotated[str, typer.Argument(help="A recipe of params.yaml with augmentations.")] = "augmented",
    output: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("contact-sheet.png"),
    data: Annotated[str | None, typer.Option(help="A prepared data set, by name or folder.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    json_file: Json = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Draw what a recipe's augmentations do to real training images."""
    from pipeline.reporting.charts.contact_sheet import write_contact_sheet
    from pipeline.settings import read_settings
    from pipeline.workspace import current_workspace

    workspace = current_workspace()
    settings = read_settings(workspace.params_file)
    folder = data_folder(workspace.prepared_data, data or settings.data.name)
    write_contact_sheet(folder, settings.recipe_named(recipe), seed, output)
    teller(quiet, json_file)(f"{output}: one image a row, the original first, then as training may see it")
    write(json_file, {"recipe": recipe, "data": str(folder), "output": str(output)})


for verb in (
    *(searches.search, searches.studies, searches.status, searches.finalists),
    *(claims.run, claims.claims),
    *(benches.bench, benches.bench_search),
    *(stores.report, stores.ui, stores.replay, stores.doctor, stores.gc),
):
    app.command()(verb)


def main() -> None:
    """Entry point: run the verb; tell errors in one line; exit with the contract's codes."""
    from pipeline.process import run_and_exit

    run_and_exit(_call, debug="--debug" in sys.argv[1:])


def _call() -> None:
    try:
        app(prog_name="convstudy", standalone_mode=False)
    except _CLICK_USAGE_ERROR as error:  # unknown verb or option, missing argument, value of the wrong type
        raise UsageError(" ".join(error.format_message().split())) from error


if __name__ == "__main__":
    main()
