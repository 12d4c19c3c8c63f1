"""Makes one MLflow run agree with the records, whatever it held before. The live mirror and `replay` share this.

MLflow cannot change a parameter or remove a metric. So an incomplete run is completed, and a run that contradicts the
records is deleted (MLflow keeps it in its trash) and created again.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.errors import StorageError
from pipeline.evidence.store import RunFolder
from pipeline.files import canonical_json, sha256_file, sha256_text
from pipeline.tracking.client import MlflowStore
from pipeline.tracking.content import (
    DATA,
    EPOCH,
    FAMILY,
    PARENT_ID,
    REASON,
    ROLE,
    RUN,
    WEIGHTS,
    Ending,
    Entry,
    Point,
    epoch_points,
    refusal_tag,
    run_ending,
)
from pipeline.tracking.summaries import Summary

if TYPE_CHECKING:
    from mlflow.entities import Run

Change = Literal["created", "updated", "unchanged"]

UPLOAD_LIMIT_BYTES = 256 * 2**20
"""Larger weights are not uploaded to a server. In a local store, models are links and cost no space."""

_MODEL_TAG, _MODEL_OF_TAG = "convstudy.model", "convstudy.model_weights"
_FILES_TAG, _SERIES_TAG = "convstudy.figures", "convstudy.series"


def read_ending(folder: RunFolder) -> Ending | None:
    """How the run of a folder ended, or None while it has no result; raises StorageError for unreadable records."""
    result = folder.result()
    if result is None:
        return None
    written_ms = round((folder.path / "result.json").stat().st_mtime * 1000)
    return run_ending(result, folder.measurement(), folder.test_score(), written_ms)


def obtain(store: MlflowStore, entry: Entry, parent_id: str | None, start_ms: int) -> "Run":
    """The MLflow run of an entry: the existing one, or a new one where there is none or it contradicts the entry."""
    run, _ = _find_or_create(store, entry, parent_id, start_ms, None)
    store.log(run.info.run_id, _missing(run, entry.points), lambda step: start_ms, _missing_params(run, entry))
    _name_data(store, run, entry)
    return run


def settle_run(
    store: MlflowStore,
    entry: Entry,
    ending: Ending,
    parent_id: str,
    found: "Run | None" = None,
    weights: Path | None = None,
) -> Change:
    """Complete an entry's run with its ending and, if `weights` are given, its model.

    `found` is the run, where the caller has it from a listing.
    """
    entry = replace(entry, tags={**entry.tags, **ending.tags})
    if found is not None and not _contradicts(found, entry, ending):
        run, created = found, False
    else:
        run, created = _find_or_create(store, entry, parent_id, ending.start_ms, ending)

    points, refused = epoch_points(ending.history, logged_epoch(run))
    points += _missing(run, (*entry.points, *ending.points))
    wanted = {**entry.tags, **refusal_tag(refused), PARENT_ID: parent_id}
    tags = {key: text for key, text in wanted.items() if run.data.tags.get(key) != text}
    params = _missing_params(run, entry)
    store.log(run.info.run_id, points, ending.at, params, tags)
    changed = bool(points or params or tags)
    changed |= _name_data(store, run, entry)
    if REASON in run.data.tags and REASON not in wanted:
        store.client.delete_tag(run.info.run_id, REASON)
        changed = True
    if weights is not None:
        changed |= _log_model(store, run, entry, weights, ending.tags.get(WEIGHTS, ""))
    if run.info.status != ending.status:
        store.end(run.info.run_id, ending.status, ending.end_after(run.info.start_time))
        changed = True
    return "created" if created else "updated" if changed else "unchanged"


def settle_parent(store: MlflowStore, entry: Entry, run: "Run", summary: Summary, now_ms: int) -> "Run":
    """Give a parent run the metrics, tags and files of its summary that it lacks, and its children their metrics.

    Metrics are dated `now_ms`. One that replaces another gets a later date, because MLflow shows the latest. A run that
    holds another course than the summary, of a study that began anew under its name, is replaced.

    Returns:
        The parent run: a new one if it was replaced.
    """
    logged, _, digest = run.data.tags.get(_SERIES_TAG, "0:").partition(":")
    if _digest(summary.series[: int(logged)]) != digest:
        run, logged = _replaced(store, entry, run), "0"
    known = run.data.metrics
    points = [Point(name, value, 0) for name, value in summary.points.items() if known.get(name) != value]
    if any(point.key in known for point in points):
        now_ms = max(now_ms, time.time_ns() // 1_000_000)
    series = summary.series[int(logged) :]
    store.log(run.info.run_id, [*points, *series], lambda step: now_ms)
    tags = {key: text for key, text in summary.tags.items() if run.data.tags.get(key) != text}
    tags |= {_SERIES_TAG: f"{len(summary.series)}:{_digest(summary.series)}"} if series else {}
    tags |= _log_files(store, run, summary)
    store.log(run.info.run_id, tags=tags)
    for child in store.children(run.info.experiment_id, run.info.run_id) if summary.children else ():
        wanted = summary.children.get(child.data.tags.get(RUN, ""), {})
        missing = _missing(child, [Point(name, value, 0) for name, value in wanted.items()])
        store.log(child.info.run_id, missing, lambda step: now_ms)
    return run


def _digest(series: Sequence[Point]) -> str:
    values = [[point.key, point.step, point.value] for point in series]
    return sha256_text(canonical_json(values))[:16] if values else ""


def _replaced(store: MlflowStore, entry: Entry, run: "Run") -> "Run":
    """A new parent run that takes over the children of another."""
    children = store.children(run.info.experiment_id, run.info.run_id)
    store.delete(run)
    new, _ = _find_or_create(store, entry, None, run.info.start_time, None)
    for child in children:
        store.log(child.info.run_id, tags={PARENT_ID: new.info.run_id})
    return new


def _log_files(store: MlflowStore, run: "Run", summary: Summary) -> dict[str, str]:
    """Log the files of a summary unless MLflow has them; returns the tag that says which it has."""
    digests = {folder: {path.name: sha256_file(path) for path in paths} for folder, paths in summary.files.items()}
    digest = canonical_json(digests)
    there = all(store.holds(run, folder, name) for folder, names in digests.items() for name in names)
    if not digests or (there and run.data.tags.get(_FILES_TAG) == digest):
        return {}
    for folder, paths in summary.files.items():
        for path in paths:
            store.client.log_artifact(run.info.run_id, str(path), folder or None)
    return {_FILES_TAG: digest}


def logged_epoch(run: "Run") -> int:
    """The last epoch that MLflow has of a run, -1 if none."""
    return int(run.data.metrics.get(EPOCH, -1))


def kept_weights(store: MlflowStore, folder: RunFolder) -> Path | None:
    """The final weights of a run, if they were kept and, for a server, are not too large to upload."""
    try:
        is_small = folder.weights.stat().st_size <= UPLOAD_LIMIT_BYTES
        return folder.weights if is_small or store.is_local else None
    except FileNotFoundError:
        return None


def _find_or_create(
    store: MlflowStore, entry: Entry, parent_id: str | None, start_ms: int, ending: Ending | None
) -> "tuple[Run, bool]":
    with store.lock:
        found = store.find(entry)
        if found is not None and _contradicts(found, entry, ending):
            store.delete(found)
            found = None
        return found or store.create(entry, parent_id, start_ms), found is None


def _missing_params(run: "Run", entry: Entry) -> dict[str, str]:
    """The parameters that a run lacks: all when it is new, or those that a kill cut off."""
    return {key: text for key, text in entry.params.items() if key not in run.data.params}


def _missing(run: "Run", points: Iterable[Point]) -> list[Point]:
    return [point for point in points if point.key not in run.data.metrics]


def _name_data(store: MlflowStore, run: "Run", entry: Entry) -> bool:
    if entry.data is None or (run.inputs is not None and run.inputs.dataset_inputs):
        return False
    store.log_data(run.info.run_id, *entry.data)
    return True


def _contradicts(run: "Run", entry: Entry, ending: Ending | None) -> bool:
    """Whether a parameter or the last value of a metric differs from the records."""
    if any(run.data.params.get(key, text) != text for key, text in entry.params.items()):
        return True
    if any(run.data.metrics.get(point.key, point.value) != point.value for point in entry.points):
        return True
    if ending is None:
        return False
    logged = logged_epoch(run)
    points, _ = epoch_points((epoch for epoch in ending.history if epoch.epoch == logged), -1)
    if logged >= 0 and not points:
        return True
    last = {point.key: point.value for point in (*points, *ending.points)}
    return any(run.data.metrics.get(key, value) != value for key, value in last.items())


def _log_model(store: MlflowStore, run: "Run", entry: Entry, weights: Path, sha256: str) -> bool:
    """Log a run's network as an MLflow model, unless MLflow has it; weights of earlier versions cannot be one."""
    tags = run.data.tags
    if tags.get(_MODEL_OF_TAG) == sha256 and store.holds_model(tags.get(_MODEL_TAG, "")):
        return False
    try:
        shown = {key: entry.tags[key] for key in (RUN, ROLE, FAMILY, DATA) if key in entry.tags}
        model_id = store.log_model(run, weights, {"network": entry.name, **shown})
    except StorageError:
        return False
    store.log(run.info.run_id, tags={_MODEL_TAG: model_id, _MODEL_OF_TAG: sha256})
    return True
