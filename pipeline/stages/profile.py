"""Stage `profile`: counts and measures the costs of the networks in the study's profile."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.cost.records import CostProfile
from pipeline.files import fresh_folder, write_json
from pipeline.process import run_stage
from pipeline.schema import parse, read_record, to_json
from pipeline.workspace import current_workspace


def main() -> None:
    """Write reports/results/profiles/<family>.json, a list of CostProfile, for each family with a plan."""
    workspace = current_workspace()
    target = fresh_folder(workspace.results / "profiles")
    for plan_file in sorted((workspace.plans / "profile").glob("*.json")):
        profiles: list[CostProfile] = []
        for profile in profile_group(plan_file):
            print(f"profile: {profile.name}: {profile.params:,} parameters, {profile.macs:,} MACs", flush=True)
            profiles.append(profile)
        write_json(target / plan_file.name, to_json(profiles))


def profile_group(plan_file: Path) -> Iterator[CostProfile]:
    """Yield the costs of a plan's networks. They are measured one after another, while nothing else runs."""
    import search_spaces  # loads PyTorch, needed only if there are plans
    from pipeline.cost.profile import profile_network
    from pipeline.machine import resolve_device
    from pipeline.running.plans import ProfilePlan

    plan = read_record(ProfilePlan, plan_file)
    for network in plan.networks:
        family = search_spaces.family(network.family)
        yield profile_network(
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


if __name__ == "__main__":
    run_stage("profile", current_workspace().locks, main)
