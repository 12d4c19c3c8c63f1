"""Stage `plan`: params.yaml and the data's manifest become one plan a family for `run`, `profile` and `search`."""

from pipeline.data.manifest import load_manifest
from pipeline.files import write_json
from pipeline.machine import resolve_device
from pipeline.process import run_stage
from pipeline.schema import to_json
from pipeline.search.plans import plan_profile, plan_runs
from pipeline.search.search_plans import plan_searches
from pipeline.settings import read_settings
from pipeline.workspace import workspace


def main() -> None:
    """Write plans/run/<family>.json, plans/profile/<family>.json and plans/search/<family>.json."""
    place = workspace()
    settings = read_settings(place.params_file)
    manifest = load_manifest(place.prepared_data / settings.data.name)
    latency_seconds = settings.profile_named().latency_seconds
    plans = plan_runs(settings, settings.profile, manifest)
    for family, plan in plans.items():
        write_json(place.plans / "run" / f"{family}.json", to_json(plan))
        write_json(place.plans / "profile" / f"{family}.json", to_json(plan_profile(plan, latency_seconds)))
    for family, search in plan_searches(settings, settings.profile, manifest, resolve_device()).items():
        write_json(place.plans / "search" / f"{family}.json", {} if search is None else to_json(search))
    networks = sum(len(plan.networks) for plan in plans.values())
    print(f"plan: profile {settings.profile}, {networks} networks of {len(plans)} families, data {manifest.name}")


if __name__ == "__main__":
    run_stage("plan", workspace().locks, main)
