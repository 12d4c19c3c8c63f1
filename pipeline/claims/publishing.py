"""Publishing the evidence of claims: records of the profiles "full" and "gpu", and the verdicts that they give.

`python -m pipeline.claims.publishing` copies what the workspace has to reports/published/claims, judges by what lies
there, writes REPORT.md with its figures beside it, and renews the README. A record that still lacks planned seeds is
published, so that another machine can go on from it, but no claim is judged by it before it is whole.
"""

import shutil
from pathlib import Path

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.estimates import Evidence
from pipeline.claims.evidence import (
    EXPERIMENTS,
    TIMINGS,
    catalogue_of,
    check_record,
    evidence_in,
    published_file,
    rankings_of,
    record_file,
)
from pipeline.claims.experiments import plan_experiment
from pipeline.claims.judging import judge
from pipeline.claims.tables import count
from pipeline.claims.verdicts import ClaimVerdict
from pipeline.data.manifest import load_manifest
from pipeline.errors import UsageError
from pipeline.evidence.publish import renew_readme
from pipeline.files import read_json, write_json
from pipeline.process import run_and_exit
from pipeline.schema import to_json
from pipeline.settings import read_settings
from pipeline.stages.report import write_report
from pipeline.workspace import Workspace, workspace

PROFILES = ("full", "gpu")
"""Profiles whose records are evidence; a look at a smaller size is none."""


def publish_claims(place: Workspace) -> list[ClaimVerdict]:
    """Copy records, write claims.json and simulation.json beside them, and return the verdicts."""
    catalogue = catalogue_of(place)
    for kind, names in ((EXPERIMENTS, catalogue.experiments), (TIMINGS, catalogue.timings)):
        for name in names:
            own = record_file(place, kind, name)
            published = published_file(place, kind, name)
            if own.exists() and read_json(own)["profile"] in PROFILES and not _is_poorer(own, published):
                _copy(own, published)
    evidence, waiting = whole_evidence(place, catalogue)
    verdicts = judge(catalogue, evidence)
    write_json(place.published / "claims" / "claims.json", to_json(verdicts))
    simulation = place.results / "simulation.json"
    if simulation.exists():
        _copy(simulation, place.published / "claims" / "simulation.json")
    print(count(verdicts))
    if waiting:
        print(f"not judged by yet, since seeds are missing: {', '.join(waiting)}")
    return verdicts


def whole_evidence(place: Workspace, catalogue: Catalogue) -> tuple[Evidence, list[str]]:
    """The published evidence that is whole by its plan, and the names of experiments that are not."""
    settings = read_settings(place.params_file)
    manifest = load_manifest(place.prepared_data / settings.data.name)
    published = evidence_in(place.published / "claims", catalogue)
    records, waiting = {}, []
    for name, record in published.experiments.items():
        try:
            plan = plan_experiment(name, catalogue.experiments[name], record.profile, settings, manifest)
            check_record(plan, record, manifest)
        except UsageError:
            waiting.append(name)
        else:
            records[name] = record
    return Evidence(records, published.timings, rankings_of(place)), waiting


def _is_poorer(own: Path, published: Path) -> bool:
    """Whether a record lacks runs that the published one of its profile has."""
    if not published.exists() or read_json(published)["profile"] != read_json(own)["profile"]:
        return False
    have, had = (
        {run["run"] for network in read_json(path).get("networks", []) for run in network["runs"]}
        for path in (own, published)
    )
    return bool(have) and have < had


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def report_claims(place: Workspace) -> None:
    """Write REPORT.md and its figures from what is published; the page is `convstudy report`'s, too large for git."""
    folder = place.published / "claims"
    write_report(folder, place)
    for name in ("report.html", "networks.csv", "curves.csv", "metrics.json"):
        (folder / name).unlink()


def main() -> None:
    """Publish the workspace's evidence and renew the README."""
    place = workspace()
    publish_claims(place)
    report_claims(place)
    renew_readme(place)


if __name__ == "__main__":
    run_and_exit(main)
