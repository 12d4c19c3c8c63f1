"""One job of a worker: train a registered run in its folder, and evaluate it on test data if requested.

A job reports to the driver only through files in the run's folder: `progress.json` while it runs, records when it is
done. If another process finishes the run first, the job keeps that result.
"""

import datetime
import functools
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import StorageError
from pipeline.evidence.records import Measurement, PassingReason, Result, RunHeader
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.machine import hardware, is_out_of_memory, peak_memory_bytes, reset_peak_memory, versions
from pipeline.models.finished import build_network
from pipeline.models.weights import hash_weights, save_weights, weights_info
from pipeline.process import locked
from pipeline.running.inputs import training_data
from pipeline.running.scores import score_test, take_probes
from pipeline.schema import parse
from pipeline.tracking.mirror import code_commit
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.gradients import smallest_micro_batch
from pipeline.training.history import History, Progress
from pipeline.training.loop import train


@dataclass(frozen=True)
class Job:
    """What a worker needs to carry out a run.

    Attributes:
        store: folder of the run store in which the run is registered.
        run: address of the run.
        data_folder: folder of the prepared data.
        test_data: fingerprint of the test split. A score on another split does not count.
        test: whether to evaluate the network on the test split.
        until: epoch at which to stop; None: the last.
        keep_weights: whether the final weights stay in the run store.
        checkpoint_seconds: shortest time between checkpoints.
        probes: further measurements of the trained network, by name.
        weights: whether to train a finished run again if its weights are gone.
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
    """An attempt that failed because of the machine, not the job. A retry may succeed.

    A job raises it when it runs out of memory. An executor raises it through the job's future when a worker ends or
    hangs.
    """

    def __init__(self, reason: PassingReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


def run_job(job: Job) -> None:
    """Train the run unless it is finished. Then test and probe it, if requested and not yet done.

    Raises DataError if the data set is not the one for which the run was registered, and Lost("out_of_memory") if
    memory runs out. A retry then resumes from the last checkpoint, with batches split into twice as many parts if they
    can be smaller.
    """
    try:
        _run(job)
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        split_further(RunStore(job.store).folder(job.run))
        raise Lost("out_of_memory") from error


def split_further(folder: RunFolder) -> None:
    """Split a run's batches into twice as many parts from now on, if they can be smaller."""
    header = folder.header()
    assert header is not None
    micro_batches = 2 * folder.micro_batches
    if header.spec.recipe.batch_size // micro_batches >= smallest_micro_batch(build_network(header.spec, "meta")):
        folder.split_batches(micro_batches)


def _run(job: Job) -> None:
    folder = RunStore(job.store).folder(job.run)
    with locked(folder.lock):
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
            folder.write(score_test(folder, job.data_folder, job.test_data))
        if result.state == "complete" and set(job.probes) - set(folder.probes()):
            folder.write(take_probes(folder, job.data_folder, job.probes))
        if training and not job.keep_weights:
            folder.weights.unlink(missing_ok=True)
        if result.state != "stopped":
            folder.split_batches(1)
        folder.alive.unlink(missing_ok=True)


def reaches(result: Result | None, until: int | None) -> bool:
    """Whether a run has ended, or was stopped at the epoch `until` or later."""
    if result is None or result.state != "stopped":
        return result is not None
    return until is not None and len(result.history) >= until


def needs_weights(
    folder: RunFolder, test_data: str | None, probes: tuple[str, ...] = (), weights: bool = False
) -> bool:
    """Whether a finished run must be trained again, because its weights are needed and gone.

    Weights are needed if `weights` is set, and for a test score on `test_data` or probes that are missing.
    """
    result = folder.result()
    if result is None or result.state != "complete" or folder.weights.exists():
        return False
    untested = test_data is not None and folder.test_score(test_data) is None
    return weights or untested or bool(set(probes) - set(folder.probes()))


def _train(job: Job, folder: RunFolder, header: RunHeader) -> Result:
    spec, started = header.spec, time.perf_counter()
    data, manifest = training_data(
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
    repeats = spec.device == "cpu" and not split  # CUDA kernels do not repeat exactly, and splits depend on free memory
    if earlier is not None and repeats and not _continues(earlier, result):
        raise StorageError(f"run {header.run} was trained again and gave another result: is {folder.path} from here?")
    if complete:
        save_weights(folder.weights, weights, weights_info(spec, manifest))
    if earlier is not None and earlier.weights_sha256 not in (None, result.weights_sha256):
        folder.forget_scores()  # they belong to other weights
    folder.write(_measurement(header, history, time.perf_counter() - started))
    folder.write(result)
    if history.state != "stopped":
        checkpoints.clear()
    folder.progress.unlink(missing_ok=True)
    return result


def _continues(earlier: Result, result: Result) -> bool:
    """Whether a result agrees with the earlier result of the same run."""
    if earlier.state == "stopped":
        return result.history[: len(earlier.history)] == earlier.history[: len(result.history)]
    return result == earlier


def read_progress(folder: RunFolder) -> Progress | None:
    """Progress of a running training; None before it starts and after it ends."""
    try:
        value: dict[str, Any] = json.loads(folder.progress.read_text())
    except (OSError, ValueError):  # absent, or read while it is first written
        return None
    return parse(Progress, value, str(folder.progress))


def _write_progress(folder: RunFolder, progress: Progress) -> None:
    """Replace progress.json without fsync, since nobody needs it after a crash."""
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
    """The commit of the training code, if known."""
    commit = code_commit(Path(__file__).parent)
    return {} if commit is None else {"commit": commit}
