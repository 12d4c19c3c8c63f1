"""Measures of one training of an arm: one number per seed, read from its record.

Losses are in eval mode, on the fixed training sample and on the validation images. A test error exists only where an
experiment asks for it. A failed training has no value, except for `trains`; in comparisons of errors or losses it
counts at chance level. A loss that is never reached counts as reached one epoch after the last.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar, get_args

from pipeline.evidence.records import Epoch, NetworkRecord, SeedRun
from pipeline.evidence.statistics import chance_error_percent, chance_threshold_percent

MeasureName = Literal[
    "validation error",
    "test error",
    "training loss",
    "validation loss",
    "loss gap",
    "widest loss gap",
    "epochs to loss",
    "validation loss at training loss",
    "gradient norm",
    "trains",
    "seconds an image",
    "learning rate",
    "probe",
]
Take = Literal["mean", "lowest", "highest", "highest rate that trains"]

TARGETED: tuple[MeasureName, ...] = ("epochs to loss", "validation loss at training loss")
"""Measures that need a target."""
Otherwise = TypeVar("Otherwise", float, None)


def value_of(
    measure: MeasureName,
    target: float | None,
    network: NetworkRecord,
    run: SeedRun,
    classes: int,
    figure: tuple[str, str] | None = None,
) -> float | None:
    """The measure of one training, or None if it has none. `figure` selects a probe and one of its figures."""
    if measure == "trains":
        return float(trains(run, classes))
    if run.state != "complete":
        return None
    if measure == "probe":
        assert figure is not None
        return run.probes.get(figure[0], {}).get(figure[1])
    return _MEASURES[measure](run, network, target)


def guessed(measure: MeasureName, classes: int) -> float | None:
    """The error or loss at chance level, with equally frequent classes. None for other measures."""
    if measure in ("validation error", "test error"):
        return chance_error_percent(classes)
    return math.log(classes) if measure in ("training loss", "validation loss") else None


def is_reached(run: SeedRun, target: float | None) -> bool:
    """Whether a training's loss ever was at most `target`."""
    return target is not None and any(epoch.train_loss <= target for epoch in run.history)


def trains(run: SeedRun, classes: int) -> bool:
    """Whether a training finished and its network is better than chance."""
    if run.state != "complete":
        return False
    return run.history[-1].validation_error_percent < chance_threshold_percent(classes)


def taken(take: Take, values: Sequence[tuple[NetworkRecord, SeedRun, float | None]], classes: int) -> float | None:
    """Combines several arms of one seed into one number: mean, lowest or highest value, or highest rate that trains.

    None if an arm has no value, because the mean over the remaining arms would describe another group.
    """
    if take == "highest rate that trains":
        rates = [network.recipe.learning_rate for network, run, _ in values if trains(run, classes)]
        return max(rates, default=None)
    found = [value for _, _, value in values if value is not None]
    if len(found) < len(values):
        return None
    return {"mean": math.fsum(found) / len(found), "lowest": min(found), "highest": max(found)}[take]


def _epochs_to_loss(run: SeedRun, target: float | None) -> float:
    """Epochs until the training loss is at most `target`; one more than were trained if it never is."""
    return _at_loss(run, target, lambda epoch: float(epoch.epoch), float(len(run.history) + 1))


def _validation_loss_at(run: SeedRun, target: float | None) -> float | None:
    """The validation loss when the training loss first reaches `target`; None if it never does."""
    return _at_loss(run, target, lambda epoch: epoch.validation_loss, None)


def _at_loss(
    run: SeedRun, target: float | None, value: Callable[[Epoch], float], never: Otherwise
) -> float | Otherwise:
    """A value when the training loss first reaches `target`, interpolated linearly between epochs."""
    assert target is not None
    before: Epoch | None = None
    for epoch in run.history:
        if epoch.train_loss <= target:
            if before is None or before.train_loss == epoch.train_loss:
                return value(epoch)
            share = (before.train_loss - target) / (before.train_loss - epoch.train_loss)
            return value(before) + share * (value(epoch) - value(before))
        before = epoch
    return never


def _seconds_an_image(run: SeedRun) -> float | None:
    speeds = run.measurement.images_per_second if run.measurement else ()
    return 1 / max(speeds) if speeds else None


_MEASURES: dict[str, Callable[[SeedRun, NetworkRecord, float | None], float | None]] = {
    "validation error": lambda run, network, target: run.history[-1].validation_error_percent,
    "test error": lambda run, network, target: run.test_error_percent,
    "training loss": lambda run, network, target: run.history[-1].train_loss,
    "validation loss": lambda run, network, target: run.history[-1].validation_loss,
    "loss gap": lambda run, network, target: run.history[-1].validation_loss - run.history[-1].train_loss,
    "widest loss gap": lambda run, network, target: max(e.validation_loss - e.train_loss for e in run.history),
    "epochs to loss": lambda run, network, target: _epochs_to_loss(run, target),
    "validation loss at training loss": lambda run, network, target: _validation_loss_at(run, target),
    "gradient norm": lambda run, network, target: run.history[0].gradient_norm,
    "seconds an image": lambda run, network, target: _seconds_an_image(run),
    "learning rate": lambda run, network, target: network.recipe.learning_rate,
}
assert set(_MEASURES) | {"trains", "probe"} == set(get_args(MeasureName))
