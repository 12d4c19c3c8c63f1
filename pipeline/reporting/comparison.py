"""Joins records and cost profiles of networks, compares and ranks them.

Networks are compared only within one `Comparison`: the same data set and profile. A cost profile is joined to a trained
network if both have the same name, resolution, parameters and MACs. A profile that matches no trained network is
reported in a comparison of its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.cost.records import CostProfile
from pipeline.cost.table import COSTS
from pipeline.data.manifest import DataSummary
from pipeline.evidence.records import GroupRecord, Interval, NetworkRecord, SeedRun
from pipeline.evidence.statistics import AT_CHANCE_LEVEL
from pipeline.search.pareto import front

Measure = Literal["test", "validation"]


@dataclass(frozen=True)
class Network:
    """One row of a report. `label` is unique in the report; `record` is None for a network that was not trained."""

    label: str
    name: str
    family: str
    resolution: int
    params: int
    macs: int
    activations: int
    group: str | None = None
    record: NetworkRecord | None = None
    cost: CostProfile | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """Warnings about the scores, for example "at chance level"."""
        return self.record.flags if self.record else ()

    @property
    def complete_runs(self) -> tuple[SeedRun, ...]:
        """Seeds whose training completed."""
        return tuple(run for run in self.runs if run.state == "complete")

    @property
    def failed_runs(self) -> tuple[SeedRun, ...]:
        """Seeds whose training failed, each with its reason."""
        return tuple(run for run in self.runs if run.state == "failed")

    @property
    def runs(self) -> tuple[SeedRun, ...]:
        """All seeds."""
        return self.record.runs if self.record else ()

    @property
    def train_seconds(self) -> Interval | None:
        """Seconds of training, mean over seeds."""
        return self.record.train_seconds if self.record else None


@dataclass(frozen=True)
class CostAxis:
    """A cost on the x axis of error plots."""

    key: Literal["macs", "params", "train_seconds"]
    noun: str
    short: str
    value: Callable[[Network], float | None]


COST_AXES = (
    CostAxis("macs", COSTS["macs"].noun, "MACs", lambda network: network.macs),
    CostAxis("params", COSTS["params"].noun, "params", lambda network: network.params),
    CostAxis(
        "train_seconds",
        "training time",
        "time",
        lambda network: network.train_seconds.mean if network.train_seconds else None,
    ),
)


@dataclass(frozen=True)
class Comparison:
    """Networks trained on the same data under the same profile, lowest error first.

    `data` and `profile` are None for networks that were not trained.
    """

    data: DataSummary | None
    profile: str | None
    networks: tuple[Network, ...]

    @property
    def measure(self) -> Measure | None:
        """The compared error: test error if any network has one, else validation error; None if there is neither."""
        records = [network.record for network in self.networks if network.record]
        if any(record.test_error_percent for record in records):
            return "test"
        return "validation" if any(record.validation_error_percent for record in records) else None

    def error(self, network: Network) -> Interval | None:
        """The compared error of one network, in percent."""
        if network.record is None:
            return None
        test = self.measure == "test"
        return network.record.test_error_percent if test else network.record.validation_error_percent

    @property
    def axes(self) -> tuple[CostAxis, ...]:
        """Costs to compare errors with. Training time is left out if trainings ran on different machines."""
        runs = [run for network in self.networks for run in network.runs]
        machines = [run.measurement.hardware for run in runs if run.measurement]
        several = any(machine != machines[0] for machine in machines)
        return tuple(axis for axis in COST_AXES if not (several and axis.key == "train_seconds"))

    @property
    def scored(self) -> tuple[Network, ...]:
        """Networks that have the compared error."""
        return tuple(network for network in self.networks if self.error(network))

    def front(self, axis: CostAxis) -> tuple[Network, ...]:
        """The Pareto front of mean error and a cost, cheapest first.

        A network is on the front if no other has a lower or equal error and a lower or equal cost, one of them strictly
        lower. Networks at chance level are left out: otherwise the cheapest would always be on the front.
        """
        points = []
        for network in self.scored:
            error, price = self.error(network), axis.value(network)
            if error is not None and price is not None and AT_CHANCE_LEVEL not in network.flags:
                points.append((price, error.mean, network))
        kept = [points[index] for index in front([point[:2] for point in points])]
        return tuple(network for *_, network in sorted(kept, key=lambda point: (*point[:2], point[2].label)))

    @property
    def best(self) -> Network | None:
        """The network with the lowest mean error that is not at chance level."""
        return next((network for network in self.scored if AT_CHANCE_LEVEL not in network.flags), None)

    @property
    def unsettled(self) -> tuple[Network, ...]:
        """Networks whose interval overlaps the best network's."""
        best = self.best and self.error(self.best)
        if not best or not best.interval:
            return ()
        overlapping = []
        for network in self.scored:
            error = self.error(network)
            if network is not self.best and error and error.interval and error.interval[0] <= best.interval[1]:
                overlapping.append(network)
        return tuple(overlapping)


def compare(groups: Sequence[GroupRecord], profiles: Iterable[CostProfile]) -> tuple[Comparison, ...]:
    """Join groups and cost profiles into comparisons by data set and profile; networks not trained come last."""
    profiles = list(profiles)
    joined: set[int] = set()
    names = [network.name for group in groups for network in group.networks]
    trained: dict[tuple[str, str, str], list[Network]] = {}
    summaries: dict[tuple[str, str, str], DataSummary] = {}
    labels: set[str] = set()
    for group in sorted(groups, key=lambda group: group.group):
        key = (group.data.name, group.profile, group.data.fingerprint)
        summaries.setdefault(key, group.data)
        trained.setdefault(key, [])
        for record in group.networks:
            matching = [index for index, profile in enumerate(profiles) if _prices(profile, record)]
            joined.update(matching)
            cost = profiles[matching[0]] if matching else None
            label = record.name if names.count(record.name) == 1 else f"{record.name} ({group.group})"
            trained[key].append(_network(_unique(label, labels), record, group.group, record, cost))
    comparisons = [_ranked(summaries[key], key[1], networks) for key, networks in sorted(trained.items())]
    unused = [profile for index, profile in enumerate(profiles) if index not in joined]
    if unused:
        unused.sort(key=lambda profile: (profile.name, profile.resolution, profile.macs))
        priced = tuple(_network(_unique(profile.name, labels), profile, cost=profile) for profile in unused)
        comparisons.append(Comparison(None, None, priced))
    return tuple(comparisons)


def _prices(profile: CostProfile, record: NetworkRecord) -> bool:
    """Whether a cost profile belongs to the network that was trained."""
    return (profile.name, profile.resolution, profile.params, profile.macs) == (
        record.name,
        record.resolution,
        record.params,
        record.macs,
    )


def _unique(label: str, taken: set[str]) -> str:
    """`label`, or the first free one of "label #2", "label #3", …; adds it to `taken`."""
    free, count = label, 1
    while free in taken:
        count += 1
        free = f"{label} #{count}"
    taken.add(free)
    return free


def _network(
    label: str,
    source: NetworkRecord | CostProfile,
    group: str | None = None,
    record: NetworkRecord | None = None,
    cost: CostProfile | None = None,
) -> Network:
    return Network(
        label=label,
        name=source.name,
        family=source.family,
        resolution=source.resolution,
        params=source.params,
        macs=source.macs,
        activations=source.activations,
        group=group,
        record=record,
        cost=cost,
    )


def _ranked(data: DataSummary, profile: str, networks: list[Network]) -> Comparison:
    comparison = Comparison(data, profile, tuple(networks))

    def rank(network: Network) -> tuple[float, str]:
        error = comparison.error(network)
        return (error.mean if error else float("inf"), network.label)

    return Comparison(data, profile, tuple(sorted(networks, key=rank)))
