"""Trains one network once, for `convstudy train`, with the run store, worker and mirror of the study."""

from pathlib import Path
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from pipeline.data.manifest import Manifest
from pipeline.evidence.records import Epoch, Measurement, Membership
from pipeline.machine import DeviceKind
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.outcomes import Outcome
from pipeline.running.plans import plan_training, run_spec
from pipeline.running.requests import Request
from pipeline.schema import STRICT, to_json
from pipeline.settings import Settings
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace


@dataclass(frozen=True, config=STRICT)
class TrainedRun:
    """Result of `convstudy train`. `test_error_percent` is None unless it was requested and measured.

    A run lost for a transient reason, such as a killed worker, has no history.
    """

    name: str
    family: str
    config: dict[str, Any]
    recipe: Recipe
    data: str
    seed: int
    run: str
    state: Literal["complete", "failed", "stopped"]
    reason: str | None
    history: tuple[Epoch, ...]
    weights_sha256: str | None
    measurement: Measurement | None
    test_error_percent: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON of `convstudy train`."""
        value: dict[str, Any] = to_json(self)
        if self.test_error_percent is None:
            del value["test_error_percent"]
        return value


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
    """The request for one network, with a changed recipe. Raises UsageError if they do not fit the data."""
    design, resolution, recipe = plan_training(name, given, settings, recipe_name, changes, manifest)
    return Request(
        spec=run_spec(design.family.name, to_json(design.config), resolution, recipe, seed, manifest, device),
        name=name,
        member=Membership("train", name, "single"),
        test=test,
        weights=True,
    )


def train_single(
    workspace: Workspace, data_folder: Path, manifest: Manifest, request: Request, quiet: bool = False
) -> TrainedRun:
    """Train the run, or return it if it is finished. Its state says whether it failed."""
    display = Display("train", 1, quiet=quiet)
    options = RunnerOptions(1, data_folder, keep_weights=True)
    with open_runner(workspace, manifest, request.spec.device, display, options) as runner:
        runner.submit(request)
        (outcome,) = runner.outcomes()
    return _trained(outcome)


def _trained(outcome: Outcome) -> TrainedRun:
    folder, request = outcome.folder, outcome.request
    header, result, score = folder.header(), folder.result(), folder.test_score()
    assert header is not None
    return TrainedRun(
        name=request.name,
        family=header.spec.family,
        config=header.spec.config,
        recipe=header.spec.recipe,
        data=header.data_name,
        seed=header.spec.seed,
        run=header.run,
        state=outcome.state,
        reason=outcome.reason,
        history=result.history if result else (),
        weights_sha256=result.weights_sha256 if result else None,
        measurement=folder.measurement(),
        test_error_percent=score.test_error_percent if request.test and score is not None else None,
    )
