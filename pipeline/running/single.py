"""One training for `convstudy train`, with the same run store, worker and mirror as the study."""

from pathlib import Path
from typing import Any

from pipeline.data.manifest import Manifest
from pipeline.evidence.records import Membership
from pipeline.machine import DeviceKind
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.outcomes import Outcome
from pipeline.running.plans import plan_training, run_spec
from pipeline.running.requests import Request
from pipeline.schema import to_json
from pipeline.settings import Settings
from pipeline.workspace import Workspace


def single_request(
    name: str,
    given: dict[str, Any] | None,
    settings: Settings,
    recipe_name: str,
    changes: dict[str, Any],
    manifest: Manifest,
    seed: int,
    device: DeviceKind,
    test: bool,
) -> Request:
    """The request for one network and a changed recipe; raises UsageError if they do not fit the data."""
    design, resolution, recipe = plan_training(name, given, settings, recipe_name, changes, manifest)
    return Request(
        spec=run_spec(design.family.name, to_json(design.config), resolution, recipe, seed, manifest, device),
        name=name,
        member=Membership("train", name, "single"),
        test=test,
    )


def train_single(
    workspace: Workspace, data_folder: Path, manifest: Manifest, request: Request, quiet: bool = False
) -> dict[str, Any]:
    """Train the run, or find it finished. Returns the JSON of `convstudy train`, whose state says whether it failed."""
    display = Display("train", 1, quiet=quiet)
    options = RunnerOptions(1, data_folder, keep_weights=True)
    with open_runner(workspace, manifest, request.spec.device, display, options) as runner:
        runner.submit(request)
        outcomes = list(runner.outcomes())
    outcome = outcomes[0]
    return describe_run(outcome)


def describe_run(outcome: Outcome) -> dict[str, Any]:
    """The JSON of one run. A run that was lost (its worker was killed, for example) has no history."""
    folder, request = outcome.folder, outcome.request
    header, result = folder.header(), folder.result()
    assert header is not None
    measurement, score = folder.measurement(), folder.test_score()
    described = {
        "name": request.name,
        "family": header.spec.family,
        "config": header.spec.config,
        "recipe": to_json(header.spec.recipe),
        "data": header.data_name,
        "seed": header.spec.seed,
        "run": header.run,
        "state": outcome.state,
        "reason": outcome.reason,
        "history": [to_json(epoch) for epoch in result.history] if result else [],
        "weights_sha256": result.weights_sha256 if result else None,
        "measurement": None if measurement is None else to_json(measurement),
    }
    if request.test and score is not None:
        described["test_error_percent"] = score.test_error_percent
    return described
