"""Selects one network's learning rate from its grid, on validation data.

Each rate is trained with each of the choice seeds, and the rate with the lowest mean error is selected. A failed
training counts at chance level. A rate whose trainings have all failed cannot be selected. Rates are compared by
successive halving if the plan says so.
"""

import itertools
from collections.abc import Sequence
from functools import partial

from pipeline.data.manifest import Manifest
from pipeline.evidence.records import Epoch, RateTrial
from pipeline.evidence.statistics import mean_error_percent
from pipeline.machine import DeviceKind
from pipeline.running.halving import Curve, best, going_on, rungs
from pipeline.running.outcomes import Outcome
from pipeline.running.plans import PlannedNetwork
from pipeline.running.requests import Request, rate_request


class RateChoice:
    """The selection of one network's rate: which runs it needs next, and their outcomes so far."""

    def __init__(self, network: PlannedNetwork, manifest: Manifest, device: DeviceKind) -> None:
        self._request = partial(rate_request, network, manifest=manifest, device=device)
        self._reduction, self._epochs = network.reduction, network.choice_epochs
        self._rungs = rungs(self._epochs, network.reduction)
        self._classes = len(manifest.class_names)
        self._rates, self._seeds = network.rates if len(network.rates) > 1 else (), network.choice_seeds
        self._outcomes: dict[tuple[float, int], Outcome] = {}
        self._awaited: set[tuple[float, int]] = set()

    def next_requests(self) -> list[Request]:
        """The runs to train now; empty once a rate is selected, if no rate trains, or if a run was lost."""
        if self._lost:
            return []
        wanted = going_on(self._curves(), self._rungs, self._reduction)
        self._awaited = {(rate, seed) for rate in wanted for seed in self._seeds}
        return [self._request(rate, seed, until=until) for rate, until in wanted.items() for seed in self._seeds]

    def tell(self, outcome: Outcome) -> bool:
        """Add an outcome. Returns whether it was the last one awaited."""
        spec = outcome.request.spec
        self._outcomes[spec.recipe.learning_rate, spec.seed] = outcome
        self._awaited.discard((spec.recipe.learning_rate, spec.seed))
        return not self._awaited

    def rate(self) -> float | None:
        """The rate with the lowest error; None if no rate trains, or if a run was lost, which would bias it."""
        return None if self._lost else best(self._curves(), self._epochs)

    def stopped(self) -> list[Outcome]:
        """The runs that were stopped early."""
        return [outcome for outcome in self._outcomes.values() if outcome.state == "stopped"]

    def trials(self) -> list[RateTrial]:
        """The records of all trainings, ordered by the grid, then by the seeds."""
        order = [(rate, seed) for rate in self._rates for seed in self._seeds]
        return [_rate_trial(self._outcomes[key]) for key in order if key in self._outcomes]

    @property
    def _lost(self) -> bool:
        return any(outcome.lost for outcome in self._outcomes.values())

    def _curves(self) -> dict[float, Curve]:
        return {
            rate: _mean([_curve(self._outcomes.get((rate, seed))) for seed in self._seeds], self._classes)
            for rate in self._rates
        }


def _mean(curves: Sequence[Curve], classes: int) -> Curve:
    """The mean error after each epoch that all curves except failed ones have reached; failed if all have failed."""
    training = [curve for curve in curves if not curve.failed]
    if not training:
        return Curve(failed=True)
    by_epoch = itertools.zip_longest(*(curve.errors for curve in curves))
    reached = min(len(curve.errors) for curve in training)
    return Curve(tuple(mean_error_percent(errors, classes) for errors in itertools.islice(by_epoch, reached)))


def _history(outcome: Outcome) -> tuple[Epoch, ...]:
    """The requested epochs, even if another request has trained the run further."""
    result = outcome.folder.result()
    return result.history[: outcome.request.until] if result else ()


def _curve(outcome: Outcome | None) -> Curve:
    if outcome is None:
        return Curve()
    return Curve(tuple(epoch.validation_error_percent for epoch in _history(outcome)), outcome.state == "failed")


def _rate_trial(outcome: Outcome) -> RateTrial:
    history, failed = _history(outcome), outcome.state == "failed"
    recipe, measurement = outcome.request.spec.recipe, outcome.folder.measurement()
    return RateTrial(
        learning_rate=recipe.learning_rate,
        run=outcome.folder.run,
        state=outcome.state if failed or outcome.request.until is None else "stopped",
        reason=outcome.reason,
        validation_error_percent=None if failed or not history else history[-1].validation_error_percent,
        epochs=len(history),
        horizon=recipe.epochs,
        seed=outcome.request.spec.seed,
        core_seconds=measurement.core_seconds if measurement else None,
        micro_batches=measurement.micro_batches if measurement else 1,
    )
