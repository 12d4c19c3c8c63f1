"""Publishes the evidence of claims: records of the profiles "full" and "gpu", and their verdicts.

`python -m pipeline.publishing.claims` copies the workspace's records to reports/published/claims, judges the published
records, writes report.html, REPORT.md and its figures, and updates the pages. It also takes the finished runs of
experiments that still run or were interrupted. A record without all planned seeds is published as unfinished: another
machine can continue it, but no claim is judged with it.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.claims.catalogue import Catalogue, catalogue_of
from pipeline.claims.claim_records import (
    EXPERIMENTS,
    FULL_PROFILES,
    TIMINGS,
    UNFINISHED,
    evidence_in,
    judged_evidence,
    own_records,
    published_file,
    published_record,
    whole_records,
)
from pipeline.claims.experiments import Experiment, plan_experiment
from pipeline.claims.judging import ON_ANY_MACHINE, judge
from pipeline.claims.simulation import STUDIES
from pipeline.claims.tables import count
from pipeline.claims.timings.costs import check_timing
from pipeline.claims.verdicts import ClaimVerdict
from pipeline.data.manifest import load_manifest, summary
from pipeline.evidence.records import GroupRecord
from pipeline.files import read_json, write_json
from pipeline.machine import resolve_device
from pipeline.process import run_and_exit
from pipeline.publishing.pages import renew_pages
from pipeline.reporting.report import FEATURED, write_report
from pipeline.running.campaign import stored_record
from pipeline.schema import to_json
from pipeline.settings import read_settings
from pipeline.workspace import Workspace, current_workspace


def publish_claims(workspace: Workspace, results: Path | None = None) -> list[ClaimVerdict]:
    """Copy the records, write claims.json and simulation.json next to them, and return the verdicts.

    The records come from the workspace or from `results`, for example a folder brought from a GPU machine. Raises
    UsageError if the record of a timing does not match claims.yaml.
    """
    catalogue = catalogue_of(workspace)
    own = evidence_in(results, catalogue) if results else own_records(workspace, catalogue)
    for name, record in own.timings.items():
        if record.profile in FULL_PROFILES:
            check_timing(name, catalogue.timings[name], record)
            write_json(published_file(workspace, TIMINGS, name, record.profile), to_json(record))
    waiting = [
        reason
        for profile in FULL_PROFILES
        for reason in _publish_experiments(workspace, catalogue, profile, own.experiments)
    ]
    evidence = judged_evidence(workspace, workspace.published / "claims", catalogue)
    verdicts = judge(catalogue, evidence)
    write_json(workspace.published / "claims" / "claims.json", to_json(verdicts))
    simulation = workspace.results / "simulation.json"
    if simulation.exists() and read_json(simulation)["studies"] >= STUDIES:  # the smoke profile simulates fewer
        shutil.copy(simulation, workspace.published / "claims" / "simulation.json")
    print(count(verdicts))
    for reason in waiting:
        print(f"not used for verdicts yet: {reason}")
    return verdicts


def _publish_experiments(
    workspace: Workspace, catalogue: Catalogue, profile: str, written: Mapping[str, GroupRecord]
) -> list[str]:
    """Write each record of a profile as whole or as unfinished; return why the unfinished ones are."""
    records = {}
    for name, experiment in catalogue.experiments.items():
        published, own = published_record(workspace, name, profile), written.get(name)
        found = found_record(workspace, name, experiment, profile, published)
        made = [one for one in (own, found) if one is not None and one.profile == profile and _adds(one, published)]
        richest = next((one for one in made if not any(_runs(one) < _runs(other) for other in made)), published)
        if richest is not None:
            records[name] = richest
    whole, waiting = whole_records(workspace, catalogue, records)
    for name, record in records.items():
        kind, other = (EXPERIMENTS, UNFINISHED) if name in whole else (UNFINISHED, EXPERIMENTS)
        write_json(published_file(workspace, kind, name, profile), to_json(whole.get(name, record)))
        published_file(workspace, other, name, profile).unlink(missing_ok=True)
    return list(waiting.values())


def found_record(
    workspace: Workspace, name: str, experiment: Experiment, profile: str, published: GroupRecord | None
) -> GroupRecord:
    """An experiment's runs under a profile, from the run store and the published record, without arms that have none.

    CPU runs do not count under the GPU profile, even if they are equal otherwise.
    """
    settings, device = read_settings(workspace.params_file), resolve_device()
    manifest = load_manifest(workspace.prepared_data / settings.data.name)
    if profile not in experiment.sizes or (profile != ON_ANY_MACHINE and device == "cpu"):
        return GroupRecord("group/1", name, profile, summary(manifest), ())
    plan = plan_experiment(name, experiment, profile, settings, manifest)
    found = stored_record(workspace, plan, device, published)
    return replace(found, networks=tuple(network for network in found.networks if network.runs or network.rates))


def _adds(record: GroupRecord, published: GroupRecord | None) -> bool:
    """Whether a record has trainings that the published one lacks, including those that select learning rates."""
    return not _runs(record) <= (_runs(published) if published else set())


def _runs(record: GroupRecord) -> set[str]:
    trained = {run.run for network in record.networks for run in network.runs}
    return trained | {trial.run for network in record.networks for trial in network.rates}


def report_claims(workspace: Workspace) -> None:
    """Write the report and its charts from the published records, including the networks of the featured study."""
    folder = workspace.published / "claims"
    write_report(folder, workspace, workspace.published / FEATURED)
    for name in ("networks.csv", "curves.csv", "metrics.json"):
        (folder / name).unlink()


def renew_claims(workspace: Workspace, results: Path | None = None) -> None:
    """Publish the evidence, write the report and update the pages."""
    publish_claims(workspace, results)
    report_claims(workspace)
    renew_pages(workspace)


def main() -> None:
    """Publish the workspace's evidence and update the pages."""
    renew_claims(current_workspace())


if __name__ == "__main__":
    run_and_exit(main)
