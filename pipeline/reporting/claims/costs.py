"""The cost of the evidence: trainings, failures, hours and machines, by experiment.

GPU hours are not core-hours. They are the wall time of each training, added up. Trainings that share a GPU take longer
than alone, so the sum is neither the GPU's busy time nor the time that the trainings would take alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.experiments import Experiment, Size
from pipeline.evidence.population import FullTrainings, PopulationTable
from pipeline.evidence.records import Measurement, NetworkRecord, SeedRun
from pipeline.reporting.comparison import Comparison
from pipeline.reporting.provenance import Machine

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class TrainingCost:
    """The cost of an experiment, or of a comparison of networks.

    Attributes:
        name: of the experiment or comparison.
        networks, trainings: how many; a training is one seed of one network.
        seeds: which seeds.
        failed: number of failed trainings.
        rate_trainings, rate_epochs: short trainings that select learning rates, and their epochs.
        budget: core-hours that claims.yaml gives the experiment; None for a comparison.
        machines: where the trainings ran.
        taken, taken_on_cards: training -> seconds times threads, on CPUs and on GPUs. Keys identify trainings that
            several experiments share.
    """

    name: str
    networks: int
    trainings: int
    seeds: tuple[int, ...]
    failed: int
    rate_trainings: int
    rate_epochs: int
    budget: float | None
    machines: tuple[str, ...]
    taken: Mapping[str, float]
    taken_on_cards: Mapping[str, float]

    @property
    def core_hours(self) -> float:
        """Core-hours of training and evaluation on CPUs, including the selection of learning rates."""
        return _hours([self.taken])

    @property
    def card_hours(self) -> float:
        """The same on GPUs."""
        return _hours([self.taken_on_cards])


@dataclass(frozen=True)
class TimingCost:
    """The size of one timing, and its machine."""

    name: str
    arms: int
    rounds: int
    machine: str


@dataclass(frozen=True)
class PopulationCost:
    """The published population: numbers of networks and trainings, and seconds of training.

    Only a network's first seed was timed; its other seeds are assumed to take as long. `in_full` of the networks were
    also trained in full, in `full_seconds` as far as recorded.
    """

    networks: int
    trainings: int
    train_seconds: float
    in_full: int
    full_seconds: float


@dataclass(frozen=True)
class Costs:
    """Everything trained and timed for the claims and for the comparison of networks.

    `trainings` counts the trainings of all experiments: shared ones once, those that select learning rates not at all.
    """

    experiments: tuple[TrainingCost, ...]
    timings: tuple[TimingCost, ...]
    comparisons: tuple[TrainingCost, ...]
    trainings: int
    population: PopulationCost | None = None

    @property
    def machine(self) -> str | None:
        """The machine of all trainings; None if there were several."""
        named = {name for cost in self.trained for name in cost.machines}
        return named.pop() if len(named) == 1 else None

    @property
    def core_hours(self) -> float:
        """Core-hours of all experiments on CPUs; a shared training counts once."""
        return _hours([cost.taken for cost in self.experiments])

    @property
    def card_hours(self) -> float:
        """Hours of all experiments on GPUs."""
        return _hours([cost.taken_on_cards for cost in self.experiments])

    @property
    def core_hours_of_all(self) -> float:
        """Core-hours of all experiments and compared networks on CPUs."""
        return _hours([cost.taken for cost in self.trained])

    @property
    def card_hours_of_all(self) -> float:
        """Hours of all experiments and compared networks on GPUs."""
        return _hours([cost.taken_on_cards for cost in self.trained])

    @property
    def trained(self) -> tuple[TrainingCost, ...]:
        """Experiments, then compared networks."""
        return (*self.experiments, *self.comparisons)

    @property
    def machines(self) -> tuple[str, ...]:
        """All machines that produced evidence for the claims, each once."""
        named = [name for cost in self.experiments for name in cost.machines]
        return tuple(dict.fromkeys([*named, *(cost.machine for cost in self.timings)]))


def costs_of(
    evidence: ClaimRecords,
    comparisons: Sequence[Comparison],
    experiments: Mapping[str, Experiment],
    population: tuple[PopulationTable, FullTrainings | None] | None = None,
) -> Costs:
    """Add up the recorded costs; skips experiments and timings without records of networks or arms."""
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


def _hours(taken: Iterable[Mapping[str, float]]) -> float:
    """Hours of all trainings; each counts once."""
    once: dict[str, float] = {}
    for seconds in taken:
        once |= seconds
    return sum(once.values()) / SECONDS_AN_HOUR


def _key(run: SeedRun) -> str:
    """Identifies a training: the same run on two machines is two trainings."""
    return f"{run.run} {run.measurement.finished_at if run.measurement else ''}"


def _training(name: str, networks: Sequence[NetworkRecord], size: Size | None = None) -> TrainingCost:
    runs = [run for network in networks for run in network.runs]
    measurements = [run.measurement for run in runs if run.measurement is not None]
    machines = [Machine(one.hardware, one.versions, 0, 0, ()).summary for one in measurements]
    taken: dict[str, float] = {}
    taken_on_cards: dict[str, float] = {}
    for network in networks:
        measured = [(run, run.measurement) for run in network.runs if run.measurement is not None]
        for run, measurement in measured:
            (taken_on_cards if _is_of_card(measurement) else taken)[_key(run)] = measurement.core_seconds
        # learning rates are selected on the device of the network's seeds, or else of the other networks
        nearest = [one for _, one in measured] or measurements
        trials_taken = taken_on_cards if any(map(_is_of_card, nearest)) else taken
        for trial in network.rates:
            if trial.core_seconds:
                trials_taken[f"{trial.run} {trial.core_seconds}"] = trial.core_seconds
    return TrainingCost(
        name=name,
        networks=len(networks),
        trainings=len(runs),
        seeds=tuple(sorted({run.seed for run in runs})),
        failed=sum(run.state == "failed" for run in runs),
        rate_trainings=sum(len(network.rates) for network in networks),
        rate_epochs=sum(trial.epochs for network in networks for trial in network.rates),
        budget=size.core_hours if size else None,
        machines=tuple(dict.fromkeys(machines)),
        taken=taken,
        taken_on_cards=taken_on_cards,
    )


def _is_of_card(measurement: Measurement) -> bool:
    return "gpu" in measurement.hardware
