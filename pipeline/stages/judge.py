"""Stage `judge`: claims and the records of their experiments become verdicts; nothing is trained."""

from pipeline.claims.estimates import Evidence
from pipeline.claims.evidence import EXPERIMENTS, catalogue_of, check_record, evidence_in, planned_part, rankings_of
from pipeline.claims.judging import judge
from pipeline.claims.tables import count
from pipeline.data.manifest import load_manifest
from pipeline.errors import UsageError
from pipeline.files import read_json, write_json
from pipeline.process import run_stage
from pipeline.running.plans import RunPlan
from pipeline.schema import read_record, to_json
from pipeline.workspace import workspace


def main() -> None:
    """Write reports/results/claims.json, a list of ClaimVerdict.

    Raises UsageError where a record is not of the plan in force.
    """
    place = workspace()
    catalogue = catalogue_of(place)
    found, records = evidence_in(place.results, catalogue), {}
    for name in catalogue.experiments:
        plan_file = place.plans / EXPERIMENTS / f"{name}.json"
        if read_json(plan_file)["networks"]:
            plan = read_record(RunPlan, plan_file)
            if name not in found.experiments:
                raise UsageError(f"{name} is planned and was not run: run the experiment")
            check_record(plan, found.experiments[name], load_manifest(place.prepared_data / plan.data))
            records[name] = planned_part(plan, found.experiments[name])
    verdicts = judge(catalogue, Evidence(records, found.timings, rankings_of(place)))
    write_json(place.results / "claims.json", to_json(verdicts))
    print(f"judge: {count(verdicts)}; {len(records)} of {len(catalogue.experiments)} experiments")


if __name__ == "__main__":
    run_stage("judge", workspace().locks, main)
