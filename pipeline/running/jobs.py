"""One job of a worker: train a registered run in its folder, score it on test data if that was asked for.

A job speaks to the driver through the run's folder alone: `progress.json` while it runs, records when it is done. A
job whose run is finished by someone else in the meantime finds the result and leaves it.
"""

import datetime
import functools
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock
import safetensors.torch
import torch

from pipeline.errors import StorageError
from pipeline.evidence.records import Measurement, PassingReason, Result, RunHeader
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.files import write_bytes
from pipeline.machine import hardware, is_out_of_memory, peak_memory_bytes, reset_peak_memory, versions
from pipeline.running.inputs import build_network, hash_weights, training_data
from pipeline.running.scores import score_test, take_probes
from pipeline.schema import parse
from pipeline.tracking.mirror import code_commit
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.gradients import smallest_micro_batch
from pipeline.training.history import History, Progress
from pipeline.training.loop import train


@dataclass(frozen=True)
class Job:
    """What a worker needs: where the run is registered, where its data lie, and what is wanted of it.

    `test_data` is the fingerprint of the test split on which a score counts; `until` the epoch at which to stop, if
    not the last; `probes` names further measurements of the trained network.
    """

    store: Path
    run: str
    data_folder: Path
    test_data: str
    test: bool = False
    until: int | None = None
    keep_weights: bool = False
    checkpoint_seconds: float = 30.0
    probes: tuple[str, ...] = ()
    weights: bool = False


class Lost(Exception):  # noqa: N818 - the machine failed, not the job
    """An attempt at a job that was lost to the machine; the same job may succeed when it is tried again.

    Raised by a job that runs out of memory, and through a job's future by an executor whose worker ended or hung.
    """

    def __init__(self, reason: PassingReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def run_job(job: Job) -> None:
    """Train the run unless it is finished, then test and probe it unless that is done or not wanted.

    Raises DataError where the data set is not the one the run was registered for, Lost("out_of_memory") where memory is
    short: tried again, it continues from its last checkpoint with batches in twice as many parts, if they can be
    smaller.
    """
    try:
        _run(job)
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        split_further(RunStore(job.store).folder(job.run))
        raise Lost("out_of_memory") from error


def split_further(folder: RunFolder) -> None:
    """Have a run's batches trained in twice as many parts from now on, if they can be smaller."""
    header = folder.header()
    assert header is not None
    micro_batches = 2 * folder.micro_batches
    if header.spec.recipe.batch_size // micro_batches >= smallest_micro_batch(build_network(header.spec, "meta")):
        folder.split_batches(micro_batches)


def _run(job: Job) -> None:
    folder = RunStore(job.store).folder(job.run)
    with filelock.FileLock(folder.lock):
        header = folder.header()
        if header is None:
            raise StorageError(f"run {job.run} is not registered in {job.store}")
        result = folder.result()
        training = not reaches(result, job.until) or needs_weights(
            folder, job.test_data if job.test else None, job.probes, job.weights
        )
        if training:
            result = _train(job, folder, header)
        assert result is not None
        if job.test and result.state == "complete" and folder.test_score(job.test_data) is None:
            folder.write(score_test(folder, header, result, job.data_folder, job.test_data))
        if result.state == "complete" and set(job.probes) - set(folder.probes()):
            folder.write(take_probes(folder, header, result, job.data_folder, job.probes))
        if training and not job.keep_weights:
            folder.weights.unlink(missing_ok=True)
        if result.state != "stopped":
            folder.split_batches(1)
        folder.alive.unlink(missing_ok=True)


def reaches(result: Result | None, until: int | None) -> bool:
    """Whether a run has got as far as it is wanted: to its end, or stopped at the epoch `until` or later."""
    if result is None or result.state != "stopped":
        return result is not None
    return until is not None and len(result.history) >= until


def needs_weights(
    folder: RunFolder, test_data: str | None, probes: tuple[str, ...] = (), weights: bool = False
) -> bool:
    """Whether weights are gone that are needed: the run is then trained again, to the same weights.

    They are needed where they are wanted themselves, for a test score on `test_data`, if one is wanted, and for probes,
    unless they were taken.
    """
    result = folder.result()
    if result is None or result.state != "complete" or folder.weights.exists():
        return False
    untested = test_data is not None and folder.test_score(test_data) is None
    return weights or untested or bool(set(probes) - set(folder.probes()))


def _train(job: Job, folder: RunFolder, header: RunHeader) -> Result:
    spec, started = header.spec, time.perf_counter()
    data = training_data(
        job.data_folder, spec.data, spec.recipe.train_images, spec.recipe.validation_images, spec.device
    )
    if spec.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        reset_peak_memory()
    model = build_network(spec)
    checkpoints = Checkpoints(folder.path, job.checkpoint_seconds)
    history = train(
        model,
        spec.recipe,
        data,
        spec.seed,
        spec.device,
        checkpoints=checkpoints,
        until=job.until,
        micro_batches=folder.micro_batches,
        tell=lambda progress: _write_progress(folder, progress),
    )
    complete = history.state == "complete"
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    result = Result(
        schema="result/1",
        run=header.run,
        state=history.state,
        reason=history.reason,
        history=tuple(history.epochs),
        weights_sha256=hash_weights(weights) if complete else None,
    )
    earlier, measured = folder.result(), folder.measurement()
    split = max(history.micro_batches, measured.micro_batches if measured else 1) > 1
    repeats = spec.device == "cpu" and not split  # neither CUDA nor what memory allows is the same each time
    if earlier is not None and repeats and not _continues(earlier, result):
        raise StorageError(f"run {header.run} was trained again and gave another result: is {folder.path} from here?")
    if complete:
        write_bytes(folder.weights, safetensors.torch.save(weights))
    if earlier is not None and earlier.weights_sha256 not in (None, result.weights_sha256):
        folder.forget_scores()  # of other weights
    folder.write(_measurement(header, history, time.perf_counter() - started))
    folder.write(result)
    if history.state != "stopped":
        checkpoints.clear()
    folder.progress.unlink(missing_ok=True)
    return result


def _continues(earlier: Result, result: Result) -> bool:
    """Whether a result agrees with what was written of the same run before."""
    if earlier.state == "stopped":
        return result.history[: len(earlier.history)] == earlier.history[: len(result.history)]
    return result == earlier


def read_progress(folder: RunFolder) -> Progress | None:
    """How far a training in flight is; None when it has not begun or is done."""
    try:
        value: dict[str, Any] = json.loads(folder.progress.read_text())
    except (OSError, ValueError):  # absent, or read in the very moment of its first writing
        return None
    return parse(Progress, value, str(folder.progress))


def _write_progress(folder: RunFolder, progress: Progress) -> None:
    """Replace progress.json without waiting for the disk: it is worth nothing after a crash."""
    temporary = folder.progress.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(progress)))
    temporary.replace(folder.progress)


def _measurement(header: RunHeader, history: History, wall_seconds: float) -> Measurement:
    device = header.spec.device
    if device == "cuda":
        peak, kind = torch.cuda.max_memory_allocated(), "cuda allocator"
    else:
        peak, kind = peak_memory_bytes(), "resident set"
    return Measurement(
        schema="measurement/1",
        run=header.run,
        images_per_second=tuple(history.images_per_second),
        train_seconds=history.train_seconds,
        evaluation_seconds=history.evaluation_seconds,
        wall_seconds=wall_seconds,
        peak_memory_bytes=peak,
        peak_memory_kind=kind,  # type: ignore[arg-type]
        threads=torch.get_num_threads(),
        attempts=history.starts,
        micro_batches=history.micro_batches,
        finished_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        hardware=hardware(device),
        versions={**versions(), **_commit()},
    )


@functools.cache
def _commit() -> dict[str, str]:
    """The commit of the code that trained, where it is known."""
    commit = code_commit(Path(__file__).parent)
    return {} if commit is None else {"commit": commit}
