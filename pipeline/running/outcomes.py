"""How a requested run ended."""

from dataclasses import dataclass

from pipeline.evidence.records import PASSING_REASONS, Result, RunState
from pipeline.evidence.store import RunFolder
from pipeline.running.jobs import reaches
from pipeline.running.requests import Request


@dataclass(frozen=True)
class Outcome:
    """How a requested run ended, after how many attempts of this driver; `trained`: False for one found finished.

    "stopped": it has come as far as was asked, and waits; also where the run, asked for by others, went on from there,
    to whichever end.
    """

    request: Request
    folder: RunFolder
    state: RunState
    reason: str | None
    trained: bool = True
    attempts: int = 1

    @property
    def lost(self) -> bool:
        """Whether the run failed for a passing reason: asked for again, it is tried again."""
        return self.reason in PASSING_REASONS


def finished_result(request: Request, folder: RunFolder, test_data: str) -> Result | None:
    """The result of a run of which nothing more is wanted: it failed, or got as far, and was tested, as asked."""
    result = folder.result()
    if not reaches(result, request.until):
        return None
    if result is None or result.state == "failed":
        return result
    if set(request.probes) - set(folder.probes()) or (request.weights and not folder.weights.exists()):
        return None
    return result if not request.test or folder.test_score(test_data) is not None else None


def outcome_of(request: Request, folder: RunFolder, result: Result, trained: bool = True, attempts: int = 1) -> Outcome:
    """How a run ended, as far as it was asked for."""
    if request.until is not None and len(result.history) >= request.until:
        return Outcome(request, folder, "stopped", None, trained, attempts)
    return Outcome(request, folder, result.state, result.reason, trained, attempts)


def describe(outcome: Outcome) -> str:
    """How a run ended, in one line."""
    request, what = outcome.request, named(outcome.request)
    if outcome.state == "failed":
        return f"{what}: failed, {outcome.reason}"
    if request.until is not None:
        what += f", {request.until} of {request.spec.recipe.epochs} epochs"
    result, measurement, score = outcome.folder.result(), outcome.folder.measurement(), outcome.folder.test_score()
    assert result is not None
    asked = result.history[: request.until]  # others may have trained it further
    told = f"{what}: validation error {asked[-1].validation_error_percent:.2f} %"
    if request.test and score is not None:
        told += f", test error {score.test_error_percent:.2f} %"
    if measurement is not None and measurement.images_per_second:
        mean = sum(measurement.images_per_second) / len(measurement.images_per_second)
        told += f", {measurement.train_seconds:.1f} s at {mean:,.0f} images/s"
        if measurement.micro_batches > 1:
            told += f", batches in {measurement.micro_batches} parts for want of memory"
    return told


def named(request: Request) -> str:
    """A run as messages name it."""
    spec = request.spec
    return f"{request.name} rate {spec.recipe.learning_rate:g} seed {spec.seed}"
