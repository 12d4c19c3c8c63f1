"""The schemas of all records about runs. They are versioned, and validated whenever read.

Results and measurements are kept apart. A result is deterministic: equal on every repeat on one machine. A
measurement (seconds, throughput, memory, hardware) is never hashed and never reused across machines.
"""

from dataclasses import field, replace
from typing import Any, Literal, get_args

from pydantic import field_validator
from pydantic.dataclasses import dataclass

from pipeline.data.manifest import DataSummary
from pipeline.files import canonical_json, sha256_text
from pipeline.schema import STRICT, to_json
from pipeline.training import PROTOCOL_VERSION
from pipeline.training.history import Epoch as Epoch
from pipeline.training.recipe import Recipe


@dataclass(frozen=True, config=STRICT)
class RunSpec:
    """Everything that shapes a run's result. Its hash is the run's address.

    Attributes:
        family, config: the network; `config` is the JSON of that family's Config.
        channels, classes, resolution: of the images the network is built for; resolution in pixels, after resizing.
        recipe: fully resolved, with a precision other than "auto" and the selected learning rate.
        data: fingerprint of the training and validation arrays and their normalisation.
        device: kind of device, because rounding depends on it.
        protocol: version of the engine.
    """

    family: str
    config: dict[str, Any]
    channels: int
    classes: int
    resolution: int
    recipe: Recipe
    data: str
    seed: int
    device: Literal["cpu", "cuda"] = "cpu"
    protocol: int = PROTOCOL_VERSION

    @property
    def hash(self) -> str:
        """The address of the run: 20 hexadecimal digits of the SHA-256 of its canonical JSON."""
        return sha256_text(canonical_json(to_json(self)))[:20]


Role = Literal["learning-rate", "seed", "single", "trial", "finalist"]


@dataclass(frozen=True, config=STRICT)
class Membership:
    """Who requested a run: the stage, the group the run belongs to, and its role there."""

    experiment: str
    parent: str
    role: Role


@dataclass(frozen=True, config=STRICT)
class RunHeader:
    """`run.json`: what the run is, and who requested it (first and later)."""

    schema: Literal["run/1"]
    run: str
    name: str
    data_name: str
    spec: RunSpec
    members: tuple[Membership, ...] = ()


RunState = Literal["complete", "failed", "stopped"]

PassingReason = Literal["out_of_memory", "worker ended unexpectedly", "worker hung"]
PASSING_REASONS: tuple[str, ...] = get_args(PassingReason)
"""Reasons of lost runs that may succeed when retried. They have no result, and a record with one is not final."""


@dataclass(frozen=True, config=STRICT)
class Result:
    """`result.json`: the outcome of a run. `weights_sha256` covers the names, shapes and bytes of all tensors.

    A run is "stopped" if only its first epochs were requested. A request for more resumes it.
    """

    schema: Literal["result/1"]
    run: str
    state: RunState
    reason: str | None
    history: tuple[Epoch, ...]
    weights_sha256: str | None


@dataclass(frozen=True, config=STRICT)
class Measurement:
    """`measurement.json`: what the run cost here. Throughput counts training images, evaluation excluded.

    `peak_memory_bytes` is the CUDA allocator's peak, or on CPU the process's peak resident set (`peak_memory_kind` says
    which). `attempts` is 1 plus the number of times that the run resumed from its own checkpoint. `micro_batches` is
    the number of parts into which each batch was split at the end; more than 1 if memory ran out.
    """

    schema: Literal["measurement/1"]
    run: str
    images_per_second: tuple[float, ...]
    train_seconds: float
    evaluation_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    peak_memory_kind: Literal["cuda allocator", "resident set"]
    threads: int
    attempts: int
    finished_at: str
    hardware: dict[str, str]
    versions: dict[str, str]
    micro_batches: int = 1

    @property
    def core_seconds(self) -> float:
        """Seconds of training and evaluation, times threads."""
        return (self.train_seconds + self.evaluation_seconds) * self.threads


@dataclass(frozen=True, config=STRICT)
class TestScore:
    """`test.json`: the one evaluation of a run's final weights on the test split."""

    __test__ = False

    schema: Literal["test/1"]
    run: str
    test_error_percent: float
    test_loss: float
    images: int
    test_data: str
    weights_sha256: str


@dataclass(frozen=True, config=STRICT)
class ProbeRecord:
    """`probes.json`: further measurements of a run's final weights, by probe (pipeline/training/probes.py)."""

    schema: Literal["probes/1"]
    run: str
    figures: dict[str, dict[str, float]]
    weights_sha256: str


@dataclass(frozen=True, config=STRICT)
class Interval:
    """A mean over n seeds with its 95 % interval (Student's t); the interval is absent below 2 values."""

    mean: float
    interval: tuple[float, float] | None
    n: int


def cut_to_percent(error: Interval | None) -> Interval | None:
    """The error with its interval cut to 0 to 100 %. The true mean lies within, so cutting keeps the coverage."""
    if error is None or error.interval is None:
        return error
    low, high = error.interval
    return replace(error, interval=(min(max(low, 0.0), 100.0), max(min(high, 100.0), 0.0)))


@dataclass(frozen=True, config=STRICT)
class RateTrial:
    """One training that scores a learning rate on validation data, after `epochs` of the `horizon` planned.

    `core_seconds` are those of training and evaluation, times threads; None if not recorded. `micro_batches` is as in
    Measurement.
    """

    learning_rate: float
    run: str
    state: RunState
    reason: str | None
    validation_error_percent: float | None
    epochs: int
    horizon: int
    seed: int = 0
    core_seconds: float | None = None
    micro_batches: int = 1


@dataclass(frozen=True, config=STRICT)
class SeedRun:
    """One seed of a network at its selected learning rate; `probes` has figures by probe, if any were requested."""

    run: str
    seed: int
    state: Literal["complete", "failed"]
    reason: str | None
    history: tuple[Epoch, ...]
    test_error_percent: float | None
    measurement: Measurement | None
    probes: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class NetworkRecord:
    """Everything the study learnt about one network. `flags` name what a reader must know ("at chance level", …).

    `recipe` has the selected learning rate. If none was selected, there are no runs and it has the first rate tried.
    """

    name: str
    family: str
    config: dict[str, Any]
    resolution: int
    params: int
    macs: int
    activations: int
    rates: tuple[RateTrial, ...]
    recipe: Recipe
    runs: tuple[SeedRun, ...]
    validation_error_percent: Interval | None
    test_error_percent: Interval | None
    train_seconds: Interval | None
    flags: tuple[str, ...] = ()

    _cut = field_validator("validation_error_percent", "test_error_percent")(cut_to_percent)


@dataclass(frozen=True, config=STRICT)
class GroupRecord:
    """The networks of one group, or the arms of one experiment."""

    schema: Literal["group/1"]
    group: str
    profile: str
    data: DataSummary
    networks: tuple[NetworkRecord, ...]

    @property
    def lost(self) -> list[str]:
        """Reasons of runs lost to machine faults. Requesting such a run again retries it."""
        trials = [trial.reason for network in self.networks for trial in network.rates]
        runs = [run.reason for network in self.networks for run in network.runs]
        return [reason for reason in (*trials, *runs) if reason in PASSING_REASONS]
