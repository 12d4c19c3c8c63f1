"""How a comparison was made: machines, versions, protocol, seeds, learning rates, and failures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.evidence.records import NetworkRecord
from pipeline.evidence.statistics import mean_error_percent
from pipeline.files import canonical_json
from pipeline.reporting.comparison import Comparison, Network
from pipeline.schema import to_json


@dataclass(frozen=True)
class Machine:
    """One machine with one set of versions, and the number of measurements on it."""

    hardware: dict[str, str]
    versions: dict[str, str]
    trainings: int
    latencies: int
    threads: tuple[int, ...]

    @property
    def summary(self) -> str:
        """The machine in a few words."""
        known = self.hardware
        cores = f"{known['cores']} cores" if "cores" in known else None
        return ", ".join(filter(None, [self.name, cores, known.get("memory")]))

    @property
    def name(self) -> str:
        """Its GPU, or else its processor."""
        known = self.hardware
        return known.get("gpu") or known.get("processor") or next(iter(known.values()), "unknown")


@dataclass(frozen=True)
class Failure:
    """Trainings that failed for the same reason: which ones ("seed 1", "learning rate 0.3"), and of which networks."""

    part: str
    reason: str
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Provenance:
    """How a comparison was made.

    Attributes:
        machines: machines with their versions.
        seeds, runs: seeds, and the number of their trainings.
        rate_runs: trainings that select learning rates; `rates_stopped` of them were stopped early, `rates_failed`
            failed.
        rate_epochs, rate_horizon: epochs that these trained, and epochs of the full grid.
        train_seconds: of the trainings of all seeds, without those that select learning rates.
        recipe: recipe fields that are the same for all networks.
        differing: the other recipe fields: field -> network -> value.
        failures: failed trainings by reason.
    """

    machines: tuple[Machine, ...]
    seeds: tuple[int, ...]
    runs: int
    rate_runs: int
    rate_epochs: int
    rate_horizon: int
    rates_stopped: int
    rates_failed: int
    train_seconds: float
    recipe: dict[str, str]
    differing: dict[str, dict[str, str]]
    failures: tuple[Failure, ...]


def provenance_of(comparison: Comparison) -> Provenance:
    """Collect provenance from the records of all networks."""
    networks = comparison.networks
    runs = [run for network in networks for run in network.runs]
    recipe, differing = _protocol(networks)
    trials = [trial for network in networks if network.record for trial in network.record.rates]
    return Provenance(
        machines=_machines(networks),
        seeds=tuple(sorted({run.seed for run in runs})),
        runs=len(runs),
        rate_runs=len(trials),
        rate_epochs=sum(trial.epochs for trial in trials),
        rate_horizon=sum(trial.horizon for trial in trials),
        rates_stopped=sum(trial.state == "stopped" for trial in trials),
        rates_failed=sum(trial.state == "failed" for trial in trials),
        train_seconds=sum(run.measurement.train_seconds for run in runs if run.measurement),
        recipe=recipe,
        differing=differing,
        failures=_failures(networks),
    )


def learning_rates(comparison: Comparison) -> tuple[float, ...]:
    """All learning rates tried for any network, ascending."""
    records = [network.record for network in comparison.networks if network.record]
    return tuple(sorted({trial.learning_rate for record in records for trial in record.rates}))


@dataclass(frozen=True)
class RateScore:
    """A network's mean validation `error` in percent at one learning rate.

    A failed training counts at chance level. If all failed, `error` is None and `reason` says why. `stopped`: whether
    a training was stopped before its horizon, after `epochs`.
    """

    error: float | None
    epochs: int
    stopped: bool
    reason: str | None


def rate_score(record: NetworkRecord, rate: float, classes: int) -> RateScore | None:
    """A network's score at a learning rate; None if the rate was not tried."""
    trials = [trial for trial in record.rates if trial.learning_rate == rate]
    if not trials:
        return None
    errors = [trial.validation_error_percent for trial in trials]
    return RateScore(
        error=None if set(errors) == {None} else mean_error_percent(errors, classes),
        epochs=max(trial.epochs for trial in trials),
        stopped=any(trial.state == "stopped" for trial in trials),
        reason=next((trial.reason for trial in trials if trial.reason), None),
    )


def _machines(networks: tuple[Network, ...]) -> tuple[Machine, ...]:
    """Distinct machines, the one with most trainings first; cost profiles without latencies do not count."""
    seen: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    trainings: dict[str, int] = {}
    latencies: dict[str, int] = {}
    threads: dict[str, set[int]] = {}

    def note(hardware: dict[str, str], versions: dict[str, str], counts: dict[str, int], used: int | None) -> None:
        versions = {
            name: version for name, version in versions.items() if name != "commit"
        }  # the same machine at any commit
        key = canonical_json([hardware, versions])
        seen[key] = (hardware, versions)
        counts[key] = counts.get(key, 0) + 1
        if used is not None:
            threads.setdefault(key, set()).add(used)

    for network in networks:
        for run in network.runs:
            if run.measurement:
                note(run.measurement.hardware, run.measurement.versions, trainings, run.measurement.threads)
        if network.cost and network.cost.latency_seconds:
            note(network.cost.hardware, network.cost.versions, latencies, network.cost.threads)
    order = sorted(seen, key=lambda key: (-trainings.get(key, 0), -latencies.get(key, 0), key))
    return tuple(
        Machine(*seen[key], trainings.get(key, 0), latencies.get(key, 0), tuple(sorted(threads.get(key, ()))))
        for key in order
    )


def _protocol(networks: tuple[Network, ...]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Recipe fields with the same value in all trained networks, and the other fields."""
    recipes = {network.label: to_json(network.record.recipe) for network in networks if network.record}
    common: dict[str, str] = {}
    differing: dict[str, dict[str, str]] = {}
    for field in next(iter(recipes.values()), {}):
        values = {label: _shown(recipe[field], field) for label, recipe in recipes.items()}
        if len(set(values.values())) == 1:
            common[field] = next(iter(values.values()))
        else:
            differing[field] = values
    return common, differing


def _failures(networks: tuple[Network, ...]) -> tuple[Failure, ...]:
    """Failures of seeds, then of learning rates; equal failures are merged and name each network once."""
    whose: dict[tuple[str, str], list[str]] = {}
    for network in networks:
        for run in network.failed_runs:
            whose.setdefault((f"seed {run.seed}", run.reason or "no reason recorded"), []).append(network.label)
    for network in networks:
        for trial in network.record.rates if network.record else ():
            if trial.state == "failed":
                part = f"learning rate {trial.learning_rate:g}"
                whose.setdefault((part, trial.reason or "no reason recorded"), []).append(network.label)
    return tuple(Failure(part, reason, tuple(dict.fromkeys(labels))) for (part, reason), labels in whose.items())


_NONE_MEANS = {"train_images": "all", "validation_images": "all", "resolution": "the images' own"}


def _shown(value: Any, field: str = "") -> str:
    """A recipe's value as text: lists joined, an augmentation with its amounts, None with the field's default."""
    if value is None:
        return _NONE_MEANS.get(field, "none")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        amounts = ", ".join(f"{key} {_shown(item)}" for key, item in value.items() if key != "op")
        return f"{value['op']} ({amounts})"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
