"""Stage `profile`: what each network of a group costs; `python -m pipeline.stages.profile GROUP`."""

import sys

from pipeline.evidence.records import CostProfile
from pipeline.files import read_json, write_json
from pipeline.process import run_stage
from pipeline.schema import read_record, to_json
from pipeline.workspace import workspace


def main(group: str) -> None:
    """Write reports/results/profiles/<group>.json, a list of CostProfile."""
    place = workspace()
    plan_file = place.plans / "profile" / f"{group}.json"
    profiles: list[CostProfile] = []
    if read_json(plan_file)["networks"]:
        from pipeline.search.campaign import profile_plan  # PyTorch is loaded only where something is priced
        from pipeline.search.plans import ProfilePlan

        for profile in profile_plan(read_record(ProfilePlan, plan_file)):
            print(f"profile: {profile.name}: {profile.params:,} parameters, {profile.macs:,} MACs", flush=True)
            profiles.append(profile)
    write_json(place.results / "profiles" / f"{group}.json", to_json(profiles))


if __name__ == "__main__":
    run_stage(f"profile-{sys.argv[1]}", workspace().locks, lambda: main(sys.argv[1]))
