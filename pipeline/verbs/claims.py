"""The verbs of claims: experiment, claims."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UsageError
from pipeline.verbs.options import DryRun, Output, Workers, tabular, verb
from pipeline.workspace import Workspace, current_workspace

if TYPE_CHECKING:
    from pipeline.claims.catalogue import Catalogue


@verb("convstudy experiment cardinality --profile full --dry-run", "convstudy experiment activations")
def experiment(
    out: Output,
    name: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="Experiment or timing in claims.yaml or my-claims.yaml.")
    ],
    seeds: Annotated[int | None, typer.Option(min=2, help="Seeds per arm; default: the profile's.")] = None,
    profile: Annotated[str | None, typer.Option(help="Profile in params.yaml; default: the current one.")] = None,
    workers: Workers = None,
    published: Annotated[bool, typer.Option("--published", help="Reuse published runs; train the rest.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Run one experiment: train the networks it compares with the same seeds, each at its best learning rate.

    For a timing, measure its arms in turn on this machine.
    """
    from pipeline.running.workers import prepare_workers

    if not dry_run:
        prepare_workers()
    from pipeline.claims.catalogue import catalogues_of
    from pipeline.claims.claim_records import EXPERIMENTS, named, published_record, record_file
    from pipeline.claims.estimates import ClaimRecords
    from pipeline.claims.experiments import plan_experiment
    from pipeline.claims.tables import plan_seeds
    from pipeline.data.manifest import load_manifest
    from pipeline.files import write_json
    from pipeline.reporting.mlflow_pages import show_networks
    from pipeline.running.campaign import estimate_campaign, run_plan, tabulate
    from pipeline.running.reproduce import check_final
    from pipeline.schema import to_json
    from pipeline.settings import read_settings

    workspace = current_workspace()
    catalogues, settings = catalogues_of(workspace), read_settings(workspace.params_file)
    catalogue = catalogues[1]  # it includes the experiments and timings of the first
    name, profile = named(catalogue, name), profile or settings.profile
    if name in catalogue.timings:
        _time(out, workspace, catalogues, name, profile, dry_run)
        return
    manifest = load_manifest(workspace.prepared_data / settings.data.name)
    plan = plan_experiment(name, catalogue.experiments[name], profile, settings, manifest, seeds)
    known = published_record(workspace, name, profile) if published else None
    if dry_run:
        text, value = estimate_campaign(workspace, plan, workers, known)
        out.answer(value, text)
        return
    record = run_plan(workspace, plan, name, workers=workers, quiet=out.quiet, published=known, on_record=show_networks)
    check_final(record)
    write_json(record_file(workspace, EXPERIMENTS, name), to_json(record))
    out.answer(record, f"{tabulate(record)}\n\n{plan_seeds(catalogues, name, ClaimRecords({name: record}))}")


def _time(
    out: Output, workspace: Workspace, catalogues: "tuple[Catalogue, Catalogue]", name: str, profile: str, dry_run: bool
) -> None:
    from pipeline.claims.claim_records import TIMINGS, record_file
    from pipeline.claims.estimates import ClaimRecords
    from pipeline.claims.tables import plan_seeds
    from pipeline.claims.timings.measuring import take_timing
    from pipeline.claims.timings.plans import plan_timing
    from pipeline.files import write_json
    from pipeline.machine import resolve_device
    from pipeline.schema import to_json

    plan = plan_timing(name, catalogues[1].timings[name], profile)
    if not plan.rounds:
        raise UsageError(f"timing {name} has no rounds for the profile {profile}: {', '.join(plan.timing.rounds)}")
    if dry_run:
        out.answer(plan, f"{name}: {len(plan.timing.arms)} arms measured in turn, {plan.rounds} rounds")
        return
    record = take_timing(plan, resolve_device(), out.line)
    write_json(record_file(workspace, TIMINGS, name), to_json(record))
    out.answer(record, plan_seeds(catalogues, name, ClaimRecords(timings={name: record})))


@verb("convstudy claims", "convstudy claims V4")
@tabular
def claims(
    out: Output,
    identifier: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One claim, such as V4; default: all.")
    ] = None,
) -> None:
    """Show which claims hold, from calculations and records of experiments; with ID, one claim with its evidence."""
    from pipeline.actions.claims import judge_claims
    from pipeline.actions.tables import claims_table
    from pipeline.claims.tables import tabulate, tell

    judged = judge_claims(current_workspace(), identifier)
    verdicts = judged.verdicts
    lines = [tabulate(verdicts) if identifier is None else tell(verdicts[0])]
    if judged.elsewhere:
        lines.append(f"from published records, made elsewhere: {', '.join(judged.elsewhere)}")
    lines += [f"left out: {reason}" for reason in judged.left_out.values()]
    out.answer(verdicts, "\n".join(lines), lambda: claims_table(verdicts))
