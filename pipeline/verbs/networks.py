"""The verbs of networks: architectures, profile, train, reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import RunsFailedError
from pipeline.verbs.options import Data, Device, DryRun, Network, Output, Workers, tabular, verb
from pipeline.workspace import current_workspace


@verb("convstudy architectures", "convstudy architectures --json references.json")
@tabular
def architectures(out: Output) -> None:
    """List the reference networks: name, family, resolution, parameters, MACs."""
    from pipeline.actions import networks, tables

    rows = networks.architectures()
    lines = [f"{'name':<24} {'family':<10} {'pixels':>6} {'params':>13} {'MACs':>16}  source"]
    lines += [
        f"{row.name:<24} {row.family:<10} {row.resolution:>6} {row.params:>13,} {row.macs:>16,}  {row.source}"
        for row in rows
    ]
    out.answer(rows, "\n".join(lines), lambda: tables.architectures_table(rows))


@verb("convstudy profile resnet18", "convstudy profile mine.json --resolution 32 --channels 3")
def profile(
    out: Output,
    network: Network,
    resolution: Annotated[
        int | None, typer.Option(min=1, help="Side of the images in pixels; default: the reference's, or 28.")
    ] = None,
    channels: Annotated[int, typer.Option(min=1, help="Channels of the images.")] = 1,
    classes: Annotated[int, typer.Option(min=1, help="Number of classes.")] = 10,
    device: Device = "auto",
    no_latency: Annotated[
        bool, typer.Option("--no-latency", help="Only count; measure no latency and no memory.")
    ] = False,
) -> None:
    """Show what one network costs: parameters, MACs, activations, memory, latency, layers."""
    from pipeline.actions import networks
    from pipeline.cost.profile import describe

    priced = networks.profile(network, resolution, channels, classes, device, latency=not no_latency)
    out.answer(priced, describe(priced))


@verb("convstudy train vgg-small --epochs 5 --test", "convstudy train resnet-small --data photos --lr 0.05 --seed 2")
def train(
    out: Output,
    network: Network,
    data: Data = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Number of epochs; default: the recipe's.")] = None,
    train_images: Annotated[
        int | None, typer.Option(min=1, help="Number of training images, stratified; default: all.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Recipe in params.yaml.")] = "common",
    lr: Annotated[float | None, typer.Option(help="Peak learning rate; default: the recipe's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and batches.")] = 1,
    device: Device = "auto",
    workdir: Annotated[Path | None, typer.Option(help="Folder for runs/ and mlruns/; default: the workspace.")] = None,
    test: Annotated[bool, typer.Option("--test", help="Evaluate on test images after training.")] = False,
) -> None:
    """Train one network once. Run the same command again to resume, or to see the finished run.

    Weights and history are in runs/; `convstudy ui` shows them. A CONFIG.json holds, for example,
    {"family": "resnet", "config": {"depths": [1, 1], "widths": [16, 32]}}.
    """
    from pipeline.running.workers import prepare_workers

    prepare_workers()
    from pipeline.actions import networks

    trained = networks.train(
        current_workspace(),
        network,
        data=data,
        epochs=epochs,
        train_images=train_images,
        recipe=recipe,
        lr=lr,
        seed=seed,
        device=device,
        workdir=workdir,
        test=test,
        quiet=out.quiet,
    )
    out.answer(trained.as_json())
    networks.check_training(trained)


@verb("convstudy reproduce lenet resnet18 --seeds 5", "convstudy reproduce --profile full --dry-run")
def reproduce(
    out: Output,
    names: Annotated[list[str] | None, typer.Argument(help="Reference networks; default: the profile's.")] = None,
    profile: Annotated[str | None, typer.Option(help="Profile in params.yaml; default: the current one.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds per network; default: the profile's.")] = None,
    workers: Workers = None,
    dry_run: DryRun = False,
) -> None:
    """Train networks under one protocol: select the learning rate on validation data, train n seeds, test each once."""
    from pipeline.running.workers import prepare_workers

    if not dry_run:
        prepare_workers()
    from pipeline.reporting.mlflow_pages import show_networks
    from pipeline.running.campaign import estimate_campaign, plan_campaign, run_plan, tabulate
    from pipeline.settings import read_settings

    workspace = current_workspace()
    plan = plan_campaign(workspace, read_settings(workspace.params_file), names or [], profile, seeds)
    if dry_run:
        text, value = estimate_campaign(workspace, plan, workers)
        out.answer(value, text)
        return
    record = run_plan(workspace, plan, "reproduce", workers=workers, quiet=out.quiet, on_record=show_networks)
    out.answer(record, tabulate(record))
    failed = [f"{network.name} seed {run.seed}" for network in record.networks for run in network.runs if run.reason]
    failed += [f"{network.name} (no run)" for network in record.networks if not network.runs]
    if failed:
        raise RunsFailedError(f"{len(failed)} runs failed: {', '.join(failed)}")
