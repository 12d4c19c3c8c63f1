"""What a report says, before it is put into words: records and cost profiles joined, compared and ranked.

Networks are compared only within one `Comparison`: the same data set and profile. Cost profiles are joined to trained
networks by name, and only where they price the same build (resolution, parameters, MACs); a profile that fits no
trained network is still reported, among the networks that were priced and not trained.
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
    """One row of a report. `label` is unique in it; `record` is absent for a network that was only priced."""

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
        """What a reader must know beside the scores."""
        return self.record.flags if self.record else ()

    @property
    def complete_runs(self) -> tuple[SeedRun, ...]:
        """Seeds that were trained to the end."""
        return tuple(run for run in self.runs if run.state == "complete")

    @property
    def failed_runs(self) -> tuple[SeedRun, ...]:
        """Seeds that were not, each with its reason."""
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
    """A cost that error is drawn against."""

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
    """Networks trained on the same data under the same profile, lowest error first; or, without data, only priced.

    `measure` says which error is compared: test error if any network has one, else validation error; None if no
    network has either.
    """

    data: DataSummary | None
    profile: str | None
    networks: tuple[Network, ...]

    @property
    def measure(self) -> Measure | None:
        """The error that is compared."""
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
        """Costs to compare errors with; training times only where one kind of machine took all of them."""
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

        A network is on it when none has both a lower or equal error and a lower or equal cost, and is better in one.
        Networks at chance level take no part: the cheapest would always be on the front, having learnt nothing.
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
        """The network of lowest mean error."""
        return next((network for network in self.scored if AT_CHANCE_LEVEL not in network.flags), None)

    @property
    def unsettled(self) -> tuple[Network, ...]:
        """Networks whose interval overlaps that of the best."""
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
    """Join groups and cost profiles into comparisons, in order of data set and profile; priced-only networks last."""
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
            trained[key].append(_trained(_unique(label, labels), group.group, record, cost))
    comparisons = [_ranked(summaries[key], key[1], networks) for key, networks in sorted(trained.items())]
    unused = [profile for index, profile in enumerate(profiles) if index not in joined]
    if unused:
        unused.sort(key=lambda profile: (profile.name, profile.resolution, profile.macs))
        priced = tuple(_priced(_unique(profile.name, labels), profile) for profile in unused)
        comparisons.append(Comparison(None, None, priced))
    return tuple(comparisons)


def _prices(profile: CostProfile, record: NetworkRecord) -> bool:
    """Whether a cost profile is of the very network that was trained."""
    return (profile.name, profile.resolution, profile.params, profile.macs) == (
        record.name,
        record.resolution,
        record.params,
        record.macs,
    )


def _unique(label: str, taken: set[str]) -> str:
    """`label`, or the first free "label #2", "label #3", …; the label is taken from then on."""
    free, count = label, 1
    while free in taken:
        count += 1
        free = f"{label} #{count}"
    taken.add(free)
    return free


def _trained(label: str, group: str, record: NetworkRecord, cost: CostProfile | None) -> Network:
    return Network(
        label=label,
        name=record.name,
        family=record.family,
        resolution=record.resolution,
        params=record.params,
        macs=record.macs,
        activations=record.activations,
        group=group,
        record=record,
        cost=cost,
    )


def _priced(label: str, profile: CostProfile) -> Network:
    return Network(
        label=label,
        name=profile.name,
        family=profile.family,
        resolution=profile.resolution,
        params=profile.params,
        macs=profile.macs,
        activations=profile.activations,
        cost=profile,
    )


def _ranked(data: DataSummary, profile: str, networks: list[Network]) -> Comparison:
    comparison = Comparison(data, profile, tuple(networks))

    def rank(network: Network) -> tuple[float, str]:
        error = comparison.error(network)
        return (error.mean if error else float("inf"), network.label)

    return Comparison(data, profile, tuple(sorted(networks, key=rank)))
