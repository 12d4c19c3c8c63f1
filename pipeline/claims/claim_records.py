"""Finds the evidence of claims: the workspace's own records of the full profiles, else the published ones.

A record of a smaller profile is used only where there is neither.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pipeline.claims.catalogue import Catalogue, catalogue_of
from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.experiments import plan_experiment
from pipeline.claims.timings.costs import check_timing
from pipeline.claims.timings.plans import TimingRecord
from pipeline.data.manifest import DataShape, load_manifest
from pipeline.errors import UsageError, unknown_name
from pipeline.evidence.population import Pairs, paired_errors, published_full_trainings, published_table
from pipeline.evidence.records import PASSING_REASONS, GroupRecord
from pipeline.evidence.statistics import NO_RATE_TRAINS
from pipeline.running.plans import RunPlan
from pipeline.schema import read_record
from pipeline.settings import read_settings
from pipeline.workspace import Workspace

PILOT = "pilot"
"""The profile that plans the number of seeds. Its records are never evidence."""
ON_A_GPU = "gpu"
FULL_PROFILES = ("full", ON_A_GPU)
"""Profiles whose records are published as evidence. Records of smaller profiles are not."""
EXPERIMENTS, TIMINGS, UNFINISHED = "experiments", "timings", "unfinished"
"""Folders of records in reports/results and reports/published/claims; UNFINISHED exists only in the latter."""

Record = TypeVar("Record", GroupRecord, TimingRecord)


def record_file(workspace: Workspace, kind: str, name: str) -> Path:
    """File of the record of an experiment or a timing that was run by hand."""
    return workspace.by_hand / kind / f"{name}.json"


def published_file(workspace: Workspace, kind: str, name: str, profile: str) -> Path:
    """File in which the record of a full profile is published. GPU and CPU evidence have separate files."""
    return workspace.published / "claims" / kind / _file_name(name, profile)


def _file_name(name: str, profile: str) -> str:
    return f"{name}.{ON_A_GPU}.json" if profile == ON_A_GPU else f"{name}.json"


def published_record(workspace: Workspace, name: str, profile: str) -> GroupRecord | None:
    """The published record of an experiment under a profile, whole or unfinished; None if there is none."""
    paths = (published_file(workspace, kind, name, profile) for kind in (EXPERIMENTS, UNFINISHED))
    return next((read_record(GroupRecord, path) for path in paths if path.exists()), None)


@dataclass(frozen=True)
class FoundEvidence:
    """The evidence on which claims can be judged.

    Attributes:
        evidence: own records, and published ones where the workspace has none of a full profile.
        elsewhere: names of the published records in `evidence`.
        left_out: experiment or timing -> why its record, or a part of the record, is not in `evidence`.
    """

    evidence: ClaimRecords
    elsewhere: tuple[str, ...]
    left_out: Mapping[str, str]


def evidence_of(workspace: Workspace, catalogue: Catalogue) -> FoundEvidence:
    """The workspace's evidence, else published evidence. Records that lack something of their plan are left out.

    If no data are prepared, published records are compared with the plan for the data that they name. Raises DataError
    if there are own records, but the data to compare them with are not prepared.
    """
    own, published = own_records(workspace, catalogue), evidence_in(workspace.published / "claims", catalogue)
    trained = {name: record for name, record in own.experiments.items() if record.profile != PILOT}
    whole, left_out = whole_records(workspace, catalogue, trained)
    is_prepared = (workspace.prepared_data / read_settings(workspace.params_file).data.name).exists()
    from_elsewhere, refused = whole_records(workspace, catalogue, published.experiments, prepared=is_prepared)
    left_out = {**{name: f"published: {reason}" for name, reason in refused.items()}, **left_out}
    experiments = _before(whole, from_elsewhere)
    timings, refused_timings = _whole_timings(catalogue, _before(own.timings, published.timings))
    left_out |= refused_timings
    elsewhere = [name for name, record in experiments.items() if record is not whole.get(name)]
    elsewhere += [name for name, record in timings.items() if record is not own.timings.get(name)]
    return FoundEvidence(ClaimRecords(experiments, timings, rankings_of(workspace)), tuple(sorted(elsewhere)), left_out)


def own_records(workspace: Workspace, catalogue: Catalogue) -> ClaimRecords:
    """The workspace's records. First choice: run by hand with a full profile; then from the stages; then by hand."""
    planned, by_hand = evidence_in(workspace.results, catalogue), evidence_in(workspace.by_hand, catalogue)
    return ClaimRecords(_before(by_hand.experiments, planned.experiments), _before(by_hand.timings, planned.timings))


def judged_evidence(workspace: Workspace, results: Path, catalogue: Catalogue) -> ClaimRecords:
    """The evidence on which a folder's claims are judged. Timings that differ from claims.yaml are left out.

    In the workspace's own results this is what its plans request, and the user's own experiments, which have no plans
    and were run by hand. Raises UsageError if something planned was not run, or if its record does not match the
    current plan.
    """
    found = evidence_in(results, catalogue)
    timings, _ = _whole_timings(catalogue, found.timings)
    experiments = found.experiments
    if results == workspace.results:
        by_hand = evidence_in(workspace.by_hand, catalogue)
        source = catalogue_of(workspace) if by_hand.experiments else catalogue
        mine = {name: record for name, record in by_hand.experiments.items() if name not in source.experiments}
        experiments, _ = whole_records(workspace, catalogue, mine)
        for plan_file in sorted((workspace.plans / EXPERIMENTS).glob("*.json")):
            name, plan = plan_file.stem, read_record(RunPlan, plan_file)
            if name not in found.experiments:
                raise UsageError(f"{name} is planned but was not run: run the experiment")
            check_record(plan, found.experiments[name], load_manifest(workspace.prepared_data / plan.data))
            experiments[name] = planned_part(plan, found.experiments[name])
    return ClaimRecords(experiments, timings, rankings_of(workspace))


def _before(own: Mapping[str, Record], published: Mapping[str, Record]) -> dict[str, Record]:
    """Own records of a full profile take precedence over published (or planned) ones, these over other own ones."""
    full = {name: record for name, record in own.items() if record.profile in FULL_PROFILES}
    return {**own, **published, **full}


def _whole_timings(
    catalogue: Catalogue, records: Mapping[str, TimingRecord]
) -> tuple[dict[str, TimingRecord], dict[str, str]]:
    whole, left_out = {}, {}
    for name, record in records.items():
        try:
            check_timing(name, catalogue.timings[name], record)
        except UsageError as error:
            left_out[name] = str(error)
        else:
            whole[name] = record
    return whole, left_out


def whole_records(
    workspace: Workspace, catalogue: Catalogue, records: Mapping[str, GroupRecord], *, prepared: bool = True
) -> tuple[dict[str, GroupRecord], dict[str, str]]:
    """The records that have all that their profile's plan requests, and what the others lack.

    Seeds beyond the planned ones are ignored, so that nobody adds seeds until a verdict pleases. Records are compared
    with the plan for the prepared data, or, if not `prepared`, for the data that they name. Raises DataError if there
    are records but no prepared data.
    """
    if not records:
        return {}, {}
    settings = read_settings(workspace.params_file)
    manifest = load_manifest(workspace.prepared_data / settings.data.name) if prepared else None
    whole, left_out = {}, {}
    for name, record in records.items():
        try:
            data = manifest or record.data
            plan = plan_experiment(name, catalogue.experiments[name], record.profile, settings, data)
            check_record(plan, record, data)
        except UsageError as error:
            left_out[name] = str(error)
        else:
            whole[name] = planned_part(plan, record)
            more = {run.seed for network in record.networks for run in network.runs} - set(plan.seeds)
            if more:
                left_out[name] = f"seeds of {name} beyond the {len(plan.seeds)} planned ones"
    return whole, left_out


def planned_part(plan: RunPlan, record: GroupRecord) -> GroupRecord:
    """The record with the runs of its planned seeds only."""
    networks = (
        replace(network, runs=tuple(run for run in network.runs if run.seed in plan.seeds))
        for network in record.networks
    )
    return replace(record, networks=tuple(networks))


def evidence_in(folder: Path, catalogue: Catalogue) -> ClaimRecords:
    """The records of experiments and timings in a folder, without rankings.

    A record of the profile full takes precedence over one from a GPU.
    """
    experiments = _records(folder / EXPERIMENTS, catalogue.experiments, GroupRecord)
    timings = _records(folder / TIMINGS, catalogue.timings, TimingRecord)
    return ClaimRecords(
        {name: record for name, record in experiments.items() if record.networks},
        {name: record for name, record in timings.items() if record.arms},
    )


def rankings_of(workspace: Workspace) -> Mapping[tuple[str, str], Pairs]:
    """(cheap, expensive) training protocol -> pairs of errors of the published population's networks."""
    table = published_table(workspace)
    return paired_errors(table, published_full_trainings(workspace)) if table else {}


def _records(folder: Path, names: Iterable[str], schema: type[Record]) -> dict[str, Record]:
    found = {}
    for name in names:
        paths = [folder / _file_name(name, profile) for profile in FULL_PROFILES]
        if path := next((path for path in paths if path.exists()), None):
            found[name] = read_record(schema, path)
    return found


def named(catalogue: Catalogue, name: str) -> str:
    """The name of an experiment or timing. Raises UsageError with the nearest name if there is none."""
    if name not in catalogue.experiments and name not in catalogue.timings:
        raise unknown_name("experiment", name, [*catalogue.experiments, *catalogue.timings])
    return name


def check_record(plan: RunPlan, record: GroupRecord, data: DataShape) -> None:
    """Raise UsageError if a record does not match this plan: if its data, arms, seeds or recipe differ.

    The learning rate may be any of the grid, if it was selected with the planned number of seeds. Precision may differ
    if the plan leaves it to the machine. More arms and seeds are allowed.
    """
    if record.data.name != plan.data or record.data.fingerprint != data.fingerprint:
        raise UsageError(
            f"the record of {plan.group} is of other data ({record.data.name}) than the prepared {plan.data}"
        )
    recorded = {network.name: network for network in record.networks}
    for planned in plan.networks:
        network = recorded.get(planned.name)
        if network is None:
            raise UsageError(f"the record of {plan.group} lacks {planned.name}: run the experiment again")
        rate = network.recipe.learning_rate
        recipe = planned.recipe_at(rate)
        if recipe.precision == "auto":
            recipe = replace(recipe, precision=network.recipe.precision)
        for what, found, wanted in (
            ("Config", (network.family, network.config), (planned.family, planned.config)),
            ("resolution", network.resolution, planned.resolution),
            ("recipe", network.recipe, recipe),
        ):
            if found != wanted:
                raise UsageError(f"{planned.name} was recorded with another {what}: {found}, not {wanted}")
        if rate not in planned.rates:
            raise UsageError(f"{planned.name} was recorded with the learning rate {rate:g}, which is not in its grid")
        choosing = {trial.seed for trial in network.rates}
        if len(planned.rates) > 1 and choosing and choosing != set(planned.choice_seeds):
            raise UsageError(
                f"the rate of {planned.name} was selected with {len(choosing)} seeds, not {len(planned.choice_seeds)}: "
                "run the experiment again"
            )
        missing = set(plan.seeds) - {run.seed for run in network.runs if run.reason not in PASSING_REASONS}
        if not network.runs and NO_RATE_TRAINS not in network.flags:
            raise UsageError(f"the record of {planned.name} has no run: run the experiment again")
        unprobed = [run.seed for run in network.runs if run.state == "complete" and set(plan.probes) - set(run.probes)]
        if unprobed:
            raise UsageError(
                f"the record of {planned.name} lacks probes of seed {unprobed[0]}: run the experiment again"
            )
        if network.runs and missing:
            raise UsageError(f"the record of {planned.name} lacks seed {min(missing)}: run the experiment again")
