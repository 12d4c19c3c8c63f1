"""Makes one MLflow run say what the records say, whatever it said before; the live mirror and `replay` share this.

MLflow cannot change a parameter or take back a metric point. So a run that lacks something is completed, and a run
that says something else is deleted (MLflow keeps it in its trash) and made anew.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.evidence.store import RunFolder
from pipeline.files import canonical_json, sha256_file
from pipeline.tracking.content import (
    EPOCH,
    PARENT_ID,
    REASON,
    WEIGHTS,
    Ending,
    Entry,
    Point,
    Summary,
    epoch_points,
    refusal_tag,
    run_ending,
)
from pipeline.tracking.store import MlflowStore

if TYPE_CHECKING:
    from mlflow.entities import Run

Change = Literal["created", "updated", "unchanged"]

WEIGHTS_LIMIT_BYTES = 16 * 2**20
"""Larger weights stay in the run store only; MLflow keeps a copy of its own."""

_WEIGHTS_TAG, _FILES_TAG = "convstudy.weights_artifact", "convstudy.figures"


def read_ending(folder: RunFolder) -> Ending | None:
    """How the run of a folder ended, or None while it has no result; raises StorageError for unreadable records."""
    result = folder.result()
    if result is None:
        return None
    written_ms = round((folder.path / "result.json").stat().st_mtime * 1000)
    return run_ending(result, folder.measurement(), folder.test_score(), written_ms)


def obtain(store: MlflowStore, entry: Entry, parent_id: str | None, start_ms: int) -> "Run":
    """The MLflow run of an entry: the one there is, else (or if that one says something else) a new one."""
    run, _ = _find_or_create(store, entry, parent_id, start_ms, None)
    store.log(run.info.run_id, params=_missing_params(run, entry))
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
    """Give an entry's run its ending; `found` is the run where the caller has it from a listing."""
    entry = replace(entry, tags={**entry.tags, **ending.tags})
    if found is not None and not _contradicts(found, entry, ending):
        run, created = found, False
    else:
        run, created = _find_or_create(store, entry, parent_id, ending.start_ms, ending)

    points, refused = epoch_points(ending.history, logged_epoch(run))
    points += [point for point in ending.points if point.key not in run.data.metrics]
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
        changed |= _log_weights(store, run, weights, ending.tags.get(WEIGHTS, ""))
    if run.info.status != ending.status:
        store.end(run.info.run_id, ending.status, ending.end_after(run.info.start_time))
        changed = True
    return "created" if created else "updated" if changed else "unchanged"


def settle_parent(store: MlflowStore, run: "Run", summary: Summary, now_ms: int) -> None:
    """Give a parent run the numbers, tags and files of its summary, where it does not have them.

    Numbers are dated `now_ms`, but one that takes another's place is not older than that: MLflow shows the latest.
    """
    known = run.data.metrics
    points = [Point(name, value, 0) for name, value in summary.points.items() if known.get(name) != value]
    tags = {key: text for key, text in summary.tags.items() if run.data.tags.get(key) != text}
    digests = {folder: {path.name: sha256_file(path) for path in paths} for folder, paths in summary.files.items()}
    digest = canonical_json(digests)
    there = all(store.holds(run, folder, name) for folder, names in digests.items() for name in names)
    if digests and not (there and run.data.tags.get(_FILES_TAG) == digest):
        for folder, paths in summary.files.items():
            for path in paths:
                store.client.log_artifact(run.info.run_id, str(path), folder or None)
        tags[_FILES_TAG] = digest
    if any(point.key in known for point in points):
        now_ms = max(now_ms, time.time_ns() // 1_000_000)
    store.log(run.info.run_id, points, lambda step: now_ms, tags=tags)


def logged_epoch(run: "Run") -> int:
    """The last epoch MLflow has of a run, -1 if none."""
    return int(run.data.metrics.get(EPOCH, -1))


def small_weights(folder: RunFolder, limit_bytes: int) -> Path | None:
    """The final weights of a run, if they were kept and are not too large for a second copy."""
    try:
        return folder.weights if folder.weights.stat().st_size <= limit_bytes else None
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
    """What a run lacks of its parameters: all when it is new, or what a kill in between cut off."""
    return {key: text for key, text in entry.params.items() if key not in run.data.params}


def _name_data(store: MlflowStore, run: "Run", entry: Entry) -> bool:
    if entry.data is None or (run.inputs is not None and run.inputs.dataset_inputs):
        return False
    store.log_data(run.info.run_id, *entry.data)
    return True


def _contradicts(run: "Run", entry: Entry, ending: Ending | None) -> bool:
    """Whether a run holds a parameter, or a last metric value, that differs from the records'."""
    if any(run.data.params.get(key, text) != text for key, text in entry.params.items()):
        return True
    if ending is None:
        return False
    logged = logged_epoch(run)
    points, _ = epoch_points((epoch for epoch in ending.history if epoch.epoch == logged), -1)
    if logged >= 0 and not points:
        return True
    last = {point.key: point.value for point in (*points, *ending.points)}
    return any(run.data.metrics.get(key, value) != value for key, value in last.items())


def _log_weights(store: MlflowStore, run: "Run", weights: Path, sha256: str) -> bool:
    if run.data.tags.get(_WEIGHTS_TAG) == sha256 and store.holds(run, weights.name):
        return False
    store.client.log_artifact(run.info.run_id, str(weights))
    store.log(run.info.run_id, tags={_WEIGHTS_TAG: sha256})
    return True
