"""How a requested run ended."""

from dataclasses import dataclass

from pipeline.evidence.records import PASSING_REASONS, Result, RunState
from pipeline.evidence.store import RunFolder
from pipeline.running.jobs import reaches
from pipeline.running.requests import Request


@dataclass(frozen=True)
class Outcome:
    """How a requested run ended.

    Attributes:
        state: "stopped" means trained as far as the request asked. Another request may have trained it further since.
        reason: why the run failed.
        trained: False if the run had finished before.
        attempts: attempts of this driver.
    """

    request: Request
    folder: RunFolder
    state: RunState
    reason: str | None
    trained: bool = True
    attempts: int = 1

    @property
    def lost(self) -> bool:
        """Whether the run failed because of the machine. Requesting it again retries it."""
        return self.reason in PASSING_REASONS


def finished_result(request: Request, folder: RunFolder, test_data: str) -> Result | None:
    """The result of a run that has failed, or has all that the request asks for; None if something is left to do."""
    result = folder.result()
    if not reaches(result, request.until):
        return None
    if result is None or result.state == "failed":
        return result
    if set(request.probes) - set(folder.probes()) or (request.weights and not folder.weights.exists()):
        return None
    return result if not request.test or folder.test_score(test_data) is not None else None


def outcome_of(request: Request, folder: RunFolder, result: Result, trained: bool = True, attempts: int = 1) -> Outcome:
    """The outcome of a request whose run has this result."""
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
    asked = result.history[: request.until]  # another request may have trained it further
    line = f"{what}: validation error {asked[-1].validation_error_percent:.2f} %"
    if request.test and score is not None:
        line += f", test error {score.test_error_percent:.2f} %"
    if measurement is not None and measurement.images_per_second:
        mean = sum(measurement.images_per_second) / len(measurement.images_per_second)
        line += f", {measurement.train_seconds:.1f} s at {mean:,.0f} images/s"
        if measurement.micro_batches > 1:
            line += f", batches in {measurement.micro_batches} parts for lack of memory"
    return line


def named(request: Request) -> str:
    """A run as messages name it."""
    spec = request.spec
    return f"{request.name} rate {spec.recipe.learning_rate:g} seed {spec.seed}"
