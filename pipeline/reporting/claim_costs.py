"""What the evidence cost: trainings, failures and hours, by experiment, and on which machines.

Hours of trainings on a card are no core-hours: each is a core's that feeds a card, and several share that card.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.claims.estimates import Evidence
from pipeline.claims.experiments import Experiment, Size
from pipeline.evidence.population import FullTrainings, PopulationTable
from pipeline.evidence.records import NetworkRecord, SeedRun
from pipeline.reporting.comparison import Comparison
from pipeline.reporting.provenance import Machine

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class TrainingCost:
    """What an experiment, or the comparison of the networks, cost.

    Attributes:
        name: of the experiment.
        networks, trainings: how many; a training is one seed of one network.
        seeds: which ones.
        failed: how many of the trainings.
        rate_trainings, rate_epochs: short trainings by which learning rates were chosen.
        hours: of training and evaluation, seconds times threads, those for learning rates included.
        on_card: whether they ran on a GPU, and are no core-hours.
        budget: core-hours that claims.yaml gives the experiment now; None for what is no experiment.
        machines: on which they ran.
        taken: seconds times threads by training, by which one that several experiments share is known.
    """

    name: str
    networks: int
    trainings: int
    seeds: tuple[int, ...]
    failed: int
    rate_trainings: int
    rate_epochs: int
    hours: float
    on_card: bool
    budget: float | None
    machines: tuple[str, ...]
    taken: Mapping[str, float]


@dataclass(frozen=True)
class TimingCost:
    """Measurements of one timing, on one machine."""

    name: str
    arms: int
    rounds: int
    machine: str


@dataclass(frozen=True)
class PopulationCost:
    """The published population: so many networks, trained so many times, in so many seconds of training.

    Of a network's seeds the first was timed; the others count as much. `in_full` of the networks were trained in full
    besides, in `full_seconds`, as far as these were recorded.
    """

    networks: int
    trainings: int
    train_seconds: float
    in_full: int
    full_seconds: float


@dataclass(frozen=True)
class Costs:
    """What was trained and timed for the claims, and for the comparison of networks.

    `trainings` counts those of all experiments, each once, whoever shares it, and those for learning rates apart.
    """

    experiments: tuple[TrainingCost, ...]
    timings: tuple[TimingCost, ...]
    comparisons: tuple[TrainingCost, ...]
    trainings: int
    population: PopulationCost | None = None

    @property
    def machine(self) -> str | None:
        """The machine on which all of them ran; None where there were several."""
        named = {name for cost in self.trained for name in cost.machines}
        return named.pop() if len(named) == 1 else None

    @property
    def core_hours(self) -> float:
        """Of all experiments on CPUs; a training that several share counts once."""
        return _hours(self.experiments, on_card=False)

    @property
    def core_hours_of_all(self) -> float:
        """Of all experiments and compared networks on CPUs; a training that several share counts once."""
        return _hours(self.trained, on_card=False)

    @property
    def card_hours(self) -> float:
        """Of all trainings of experiments and compared networks on cards, added up as if each had run alone."""
        return _hours(self.trained, on_card=True)

    @property
    def trained(self) -> tuple[TrainingCost, ...]:
        """Experiments, then compared networks."""
        return (*self.experiments, *self.comparisons)

    @property
    def machines(self) -> tuple[str, ...]:
        """All machines on which evidence for the claims was made, each once."""
        named = [name for cost in self.experiments for name in cost.machines]
        return tuple(dict.fromkeys([*named, *(cost.machine for cost in self.timings)]))


def costs_of(
    evidence: Evidence,
    comparisons: Sequence[Comparison],
    experiments: Mapping[str, Experiment],
    population: tuple[PopulationTable, FullTrainings | None] | None = None,
) -> Costs:
    """Add up what is recorded; experiments and timings that a profile leaves out do not count."""
    runs = [run for record in evidence.experiments.values() for network in record.networks for run in network.runs]
    trained = [
        _training(name, record.networks, experiments[name].sizes.get(record.profile))
        for name, record in evidence.experiments.items()
        if record.networks
    ]
    compared = {
        f"{comparison.data.name}, profile {comparison.profile}": [n.record for n in comparison.networks if n.record]
        for comparison in comparisons
        if comparison.data
    }
    return Costs(
        experiments=tuple(trained),
        timings=tuple(
            TimingCost(
                name=name,
                arms=len(record.arms),
                rounds=max(len(arm.training_step_seconds) for arm in record.arms.values()),
                machine=Machine(record.hardware, record.versions, 0, 0, ()).summary,
            )
            for name, record in evidence.timings.items()
            if record.arms
        ),
        comparisons=tuple(_training(name, networks) for name, networks in compared.items()),
        trainings=len({_key(run) for run in runs}),
        population=_population(*population) if population else None,
    )


def _population(table: PopulationTable, full: FullTrainings | None) -> PopulationCost:
    in_full = full.networks if full else ()
    return PopulationCost(
        networks=len(table.networks),
        trainings=sum(len(network.errors) for network in table.networks),
        train_seconds=sum(network.train_seconds * len(network.errors) for network in table.networks),
        in_full=len(in_full),
        full_seconds=sum(training.train_seconds or 0.0 for training in in_full),
    )


def _hours(costs: Sequence[TrainingCost], *, on_card: bool) -> float:
    once: dict[str, float] = {}
    for cost in costs:
        if cost.on_card is on_card:
            once |= cost.taken
    return sum(once.values()) / SECONDS_AN_HOUR


def _key(run: SeedRun) -> str:
    """A training: one address trained on two machines was trained twice."""
    return f"{run.run} {run.measurement.finished_at if run.measurement else ''}"


def _training(name: str, networks: Sequence[NetworkRecord], size: Size | None = None) -> TrainingCost:
    runs = [run for network in networks for run in network.runs]
    trials = [trial for network in networks for trial in network.rates]
    measurements = [run.measurement for run in runs if run.measurement is not None]
    taken = {_key(run): run.measurement.core_seconds for run in runs if run.measurement is not None}
    taken |= {f"{trial.run} {trial.core_seconds}": trial.core_seconds for trial in trials if trial.core_seconds}
    machines = [Machine(one.hardware, one.versions, 0, 0, ()).summary for one in measurements]
    return TrainingCost(
        name=name,
        networks=len(networks),
        trainings=len(runs),
        seeds=tuple(sorted({run.seed for run in runs})),
        failed=sum(run.state == "failed" for run in runs),
        rate_trainings=len(trials),
        rate_epochs=sum(trial.epochs for trial in trials),
        hours=sum(taken.values()) / SECONDS_AN_HOUR,
        on_card=any("gpu" in one.hardware for one in measurements),
        budget=size.core_hours if size else None,
        machines=tuple(dict.fromkeys(machines)),
        taken=taken,
    )
