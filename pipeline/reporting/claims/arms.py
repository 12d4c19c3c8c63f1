"""The arms that a claim compares, in words: how they differ, and what was held equal."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.claims.catalogue import Catalogue
from pipeline.claims.estimates import ClaimRecords, arms_of, population_errors
from pipeline.claims.experiments import Experiment
from pipeline.claims.parts import Beside, Part, PopulationPart, TimedContrast, TrainedContrast
from pipeline.claims.timings.plans import Timing, TimingRecord
from pipeline.evidence.records import GroupRecord, NetworkRecord
from pipeline.reporting.claims.protocol import pareto_front, protocol_of, range_of
from pipeline.reporting.formatting import decimals, duration, listing, network, quantity
from pipeline.reporting.provenance import Machine
from pipeline.schema import to_json

_TUNED = ("learning_rate", "resolution")
"""Recipe fields that do not distinguish arms: the rate is tuned, and the resolution belongs to the network."""


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison, as text.

    Attributes:
        name: its name in claims and figures.
        network: family and the fields in which the arms differ; for a population, its design space.
        params, macs: of the network; for a population, the range.
        rate: its learning rate.
        repeats: completed trainings, or rounds of a timing.
        failed: failed trainings; empty for a timing.
        measured: mean validation error in percent, or the median time of a training step.
        interval: of the mean, 95 %.
        flags: what a reader must know about the arm.
    """

    name: str
    network: str
    params: str
    macs: str
    rate: str
    repeats: str
    measured: str
    failed: str = ""
    interval: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """The arms of one experiment or timing that a claim compares; `held`: label -> what was the same for all arms."""

    kind: str
    name: str
    question: str
    repeats_are: str
    measured_is: str
    arms: tuple[Arm, ...]
    held: dict[str, str]


def compared_by(parts: Sequence[Part | Beside], catalogue: Catalogue, evidence: ClaimRecords) -> tuple[Compared, ...]:
    """One per experiment or timing that the parts use; without arms if there is no record."""
    compared: dict[str, list[str]] = {}
    for part in parts:
        if isinstance(part, TrainedContrast | TimedContrast):
            compared.setdefault(source_of(part), []).extend(part.contrast)
        elif isinstance(part, PopulationPart):
            compared.setdefault(source_of(part), []).extend((part.better, part.than))
    return tuple(
        _experiment(name, catalogue.experiments[name], evidence.experiments.get(name), terms)
        if name in catalogue.experiments
        else _timing(name, catalogue.timings[name], evidence.timings.get(name), terms)
        for name, terms in compared.items()
    )


def source_of(part: Part | Beside) -> str:
    """The experiment or timing that a part uses; "" if it uses neither."""
    match part:
        case TrainedContrast() | PopulationPart():
            return part.experiment
        case TimedContrast():
            return part.timing
        case _:
            return ""


def _experiment(name: str, experiment: Experiment, record: GroupRecord | None, terms: Sequence[str]) -> Compared:
    arms: list[Arm] = []
    held: dict[str, str] = {}
    if record is not None and record.networks:
        recorded = arms_of(record)
        wanted = dict.fromkeys(arm for term in terms for arm in experiment.groups.get(term, (term,)))
        trained = {arm: recorded[arm] for arm in wanted if arm in recorded}
        differing = _differing([_fields(found) for found in trained.values()])
        arms += [_trained(arm, found, differing) for arm, found in trained.items()]
        populations = {arm: _members(recorded, arm) for arm in wanted if arm in experiment.populations}
        arms += [
            _population(arm, experiment, found, population_errors(record, arm)) for arm, found in populations.items()
        ]
        networks = [*trained.values(), *(member for found in populations.values() for member in found)]
        held = protocol_of(experiment, record, networks)
        if trained:
            held["Network of all arms"] = _common(list(trained.values()), differing)
            held["Pareto front"] = pareto_front(trained)
    return Compared(
        kind="experiment",
        name=name,
        question=experiment.question,
        repeats_are="Trainings",
        measured_is="Validation error, %",
        arms=tuple(arms),
        held={label: text for label, text in held.items() if text},
    )


def _fields(found: NetworkRecord) -> dict[str, Any]:
    """The fields that may distinguish arms: Config and recipe, without tuned fields."""
    recipe = {key: value for key, value in to_json(found.recipe).items() if key not in _TUNED}
    return {"family": found.family, "resolution": found.resolution, **found.config, **recipe}


def _differing(fields: Sequence[Mapping[str, Any]]) -> set[str]:
    return {key for one in fields for key, value in one.items() if any(other.get(key) != value for other in fields)}


def _trained(arm: str, found: NetworkRecord, differing: set[str]) -> Arm:
    own = {key: value for key, value in _fields(found).items() if key in differing and key != "family"}
    complete = sum(run.state == "complete" for run in found.runs)
    error = found.validation_error_percent
    return Arm(
        name=arm,
        network=network({"family": found.family, "config": own}).strip(),
        params=quantity(found.params),
        macs=quantity(found.macs),
        rate=f"{found.recipe.learning_rate:g}",
        repeats=str(complete),
        failed=str(len(found.runs) - complete),
        measured=decimals(error.mean if error else None),
        interval=f"{decimals(error.interval[0])} to {decimals(error.interval[1])}" if error and error.interval else "",
        flags=tuple(_note(flag, found) for flag in found.flags if not flag.endswith("seeds failed")),
    )


def _note(flag: str, found: NetworkRecord) -> str:
    """A flag of the record; for reused trainings with the machines of the arm's trainings."""
    number, reused, _ = flag.partition(" seeds published, made elsewhere")
    if not reused:
        return flag
    machines = {Machine(run.measurement.hardware, {}, 0, 0, ()).name for run in found.runs if run.measurement}
    return f"{number} seeds reused from another machine; machines: {listing(sorted(machines))}"


def _common(networks: Sequence[NetworkRecord], differing: set[str]) -> str:
    """The family and Config fields that all arms share, without fields that are off or empty."""
    shared = {
        key: value
        for key, value in networks[0].config.items()
        if key not in differing and value not in (None, False, [], 0)
    }
    return network({"family": "" if "family" in differing else networks[0].family, "config": shared}).strip()


def _members(recorded: Mapping[str, NetworkRecord], population: str) -> list[NetworkRecord]:
    return [found for arm, found in recorded.items() if arm.rpartition(" ")[0] == population]


def _population(name: str, experiment: Experiment, members: Sequence[NetworkRecord], errors: Sequence[float]) -> Arm:
    failed = sum(math.isinf(error) for error in errors)
    rates = sorted({found.recipe.learning_rate for found in members})
    return Arm(
        name=name,
        network=f"{len(members)} networks of {experiment.populations[name].space}",
        params=range_of([found.params for found in members]),
        macs=range_of([found.macs for found in members]),
        rate=", ".join(f"{rate:g}" for rate in rates),
        repeats=str(len(errors) - failed),
        failed=str(failed),
        measured=f"median {decimals(statistics.median(errors))}" if errors else decimals(None),
    )


def _timing(name: str, timing: Timing, record: TimingRecord | None, terms: Sequence[str]) -> Compared:
    arms: tuple[Arm, ...] = ()
    held: dict[str, str] = {}
    if record is not None and record.arms:
        arms = tuple(
            Arm(
                name=arm,
                network=_timed_network(timing, arm),
                params=quantity(found.params),
                macs=quantity(found.macs),
                rate="",
                repeats=str(len(found.training_step_seconds)),
                measured=duration(statistics.median(found.training_step_seconds)),
            )
            for arm, found in record.arms.items()
            if arm in terms
        )
        threads = "one thread" if record.threads == 1 else f"{record.threads} threads"
        held["Measured"] = (
            f"round by round, all arms in turn, in one process with {threads} on {record.device}, with batches of "
            f"{record.batch_size} in float32"
        )
        held["Machine"] = listing([f"{key} {value}" for key, value in record.hardware.items()])
    return Compared(
        kind="timing",
        name=name,
        question=timing.question,
        repeats_are="Rounds",
        measured_is="Training step, median",
        arms=arms,
        held=held,
    )


def _timed_network(timing: Timing, arm: str) -> str:
    planned = timing.arms.get(arm)
    if planned is None:
        return ""
    if planned.convolution is not None:
        single = planned.convolution
        groups = "1 group" if single.groups == 1 else f"{single.groups} groups"
        return f"a {single.kernel}x{single.kernel} convolution of {single.channels} channels in {groups}"
    assert planned.network is not None
    name = planned.network if isinstance(planned.network, str) else network(planned.network)
    return name if planned.variant == "as it is" else f"{name}, {planned.variant}"
