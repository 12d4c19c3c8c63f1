"""Stage `profile`: what each network of a group costs; `python -m pipeline.stages.profile GROUP`."""

import sys

from pipeline.cost.profile import profile_network
from pipeline.files import write_json
from pipeline.machine import resolve_device
from pipeline.process import run_stage
from pipeline.schema import parse, read_record, to_json
from pipeline.search.plans import ProfilePlan, resolve_network
from pipeline.workspace import workspace


def main(group: str) -> None:
    """Write reports/results/profiles/<group>.json, a list of CostProfile."""
    place = workspace()
    plan = read_record(ProfilePlan, place.plans / "profile" / f"{group}.json")
    profiles = []
    for network in plan.networks:
        family, _, _ = resolve_network(network.name, {"family": network.family, "config": network.config})
        profiles.append(
            profile_network(
                network.name,
                family,
                parse(family.config, network.config, f"config of {network.name}"),
                network.resolution,
                plan.channels,
                plan.classes,
                resolve_device(),
                latency=plan.latency_seconds > 0,
                run_seconds=plan.latency_seconds,
            )
        )
        print(f"profile: {network.name}: {profiles[-1].params:,} parameters, {profiles[-1].macs:,} MACs", flush=True)
    write_json(place.results / "profiles" / f"{group}.json", to_json(profiles))


if __name__ == "__main__":
    run_stage(f"profile-{sys.argv[1]}", workspace().locks, lambda: main(sys.argv[1]))
