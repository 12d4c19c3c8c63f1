"""Stage `plan`: writes the plans of the current profile, from params.yaml, claims.yaml and the data's manifest."""

from dataclasses import replace

from pipeline.claims.catalogue import catalogue_of
from pipeline.claims.experiments import is_stated_for, plan_experiment
from pipeline.claims.timings.plans import plan_timing
from pipeline.data.manifest import load_manifest
from pipeline.errors import UsageError
from pipeline.files import fresh_folder, write_json
from pipeline.machine import resolve_device
from pipeline.process import run_stage
from pipeline.running.plans import plan_profile, plan_runs
from pipeline.schema import to_json
from pipeline.search.plans import plan_searches
from pipeline.settings import read_settings
from pipeline.workspace import current_workspace


def main() -> None:
    """Write plans/{reproduce,profile,search}/<family>.json and plans/{experiments,timings}/<name>.json.

    A network, search, experiment or timing without an entry for the profile has no plan.
    """
    workspace = current_workspace()
    settings = read_settings(workspace.params_file)
    manifest = load_manifest(workspace.prepared_data / settings.data.name)
    latency_seconds = settings.profile_named().latency_seconds
    kinds = ("reproduce", "profile", "search", "experiments", "timings")
    folders = {kind: fresh_folder(workspace.plans / kind) for kind in kinds}
    plans = plan_runs(settings, settings.profile, manifest)
    for family, plan in plans.items():
        write_json(folders["reproduce"] / f"{family}.json", to_json(plan))
        write_json(folders["profile"] / f"{family}.json", to_json(plan_profile(plan, latency_seconds)))
    for family, search in plan_searches(settings, settings.profile, manifest, resolve_device()).items():
        write_json(folders["search"] / f"{family}.json", to_json(search))
    catalogue = catalogue_of(workspace)
    first = catalogue.primary_experiments
    for name, experiment in catalogue.experiments.items():
        if settings.profile not in experiment.sizes:
            continue
        try:
            plan = plan_experiment(name, experiment, settings.profile, settings, manifest)
        except UsageError as error:
            if is_stated_for(manifest):
                raise
            print(f"plan: skipped, since it does not fit images of this shape: {error}")
        else:
            write_json(folders["experiments"] / f"{name}.json", to_json(replace(plan, first=name in first)))
    for name, timing in catalogue.timings.items():
        if (timed := plan_timing(name, timing, settings.profile)).rounds:
            write_json(folders["timings"] / f"{name}.json", to_json(timed))
    networks = sum(len(plan.networks) for plan in plans.values())
    print(f"plan: profile {settings.profile}, {networks} networks of {len(plans)} families, data {manifest.name}")


if __name__ == "__main__":
    run_stage("plan", current_workspace().locks, main)
