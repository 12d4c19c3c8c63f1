"""Plans and runners of a few seconds, on real images, for the driver's tests."""

from dataclasses import replace

from pipeline.data.manifest import Manifest, load_manifest
from pipeline.search.campaign import plan_campaign
from pipeline.search.plans import RunPlan
from pipeline.settings import read_settings
from pipeline.workspace import Workspace


def smoke_plan(place: Workspace, *names: str, **changes: object) -> RunPlan:
    """The smoke profile for some references, two learning rates and two seeds each."""
    plan = plan_campaign(place, read_settings(place.params_file), names or ("lenet-small",), "smoke", None)
    return replace(plan, **changes)  # type: ignore[arg-type]


def manifest_of(place: Workspace) -> Manifest:
    """The manifest of the study's data."""
    return load_manifest(place.prepared_data / "fashion-mnist")
