"""Makes MLflow equal to the run store: each finished run is there once per membership, and no run is left RUNNING.

Runs are identified by key, found by one paged listing per experiment. The run store is read before MLflow is listed: a
run that has its result by then was mirrored before, so that a driver at work causes no duplicates. A run without a
result is not invented: if MLflow shows it as RUNNING, it ends KILLED, unless a live process holds the lock of its
folder. On a server, RUNNING runs that this workspace does not know belong to others and are left alone.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cost.records import CostProfile
from pipeline.errors import StorageError
from pipeline.evidence.records import GroupRecord, Membership, NetworkRecord, RunHeader
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.process import is_locked
from pipeline.tracking.client import MlflowStore
from pipeline.tracking.content import (
    GROUP_EXPERIMENT,
    KEY,
    PARENT_ID,
    ROLE,
    SEARCH_EXPERIMENT,
    Ending,
    parent_entry,
    parent_status,
    run_entry,
)
from pipeline.tracking.location import server_uri, shown
from pipeline.tracking.settle import kept_weights, obtain, read_ending, settle_parent, settle_run
from pipeline.tracking.store import open_server, open_store, reason, tracking_errors
from pipeline.tracking.summaries import Summary, network_summary

if TYPE_CHECKING:
    from mlflow.entities import Run

Figures = Mapping[tuple[str, str], Sequence[Path]]
"""Figures of networks, by (experiment, network)."""
Costs = Mapping[str, CostProfile]
NO_STUDIES: Mapping[str, Summary] = {}
NO_COSTS: Costs = {}


@dataclass(frozen=True)
class ReplaySummary:
    """What a replay did to MLflow's child runs.

    Attributes:
        killed: were RUNNING although no process trains them.
        doubles: showed a run a second time, and were deleted.
        unknown: belong to no run in the run store, and were left alone.
        unreadable: runs of the run store whose records cannot be read.
    """

    created: int
    updated: int
    unchanged: int
    killed: int
    doubles: int
    unknown: int
    unreadable: int


@dataclass(frozen=True)
class _Part:
    """One membership of one run of the store."""

    folder: RunFolder
    header: RunHeader
    member: Membership


def replay(
    runs: RunStore,
    folder: Path,
    records: Iterable[GroupRecord],
    tell: Callable[[str], object],
    figures: Figures | None = None,
    studies: Mapping[str, Summary] = NO_STUDIES,
    costs: Costs = NO_COSTS,
) -> ReplaySummary:
    """Rebuild MLflow's store in `folder`, or on the server that MLFLOW_TRACKING_URI names, from the run store.

    Args:
        runs: the run store.
        folder: MLflow's folder in the workspace.
        records: of networks. If several have one name, that with most of the runs is used (the last of equals).
        tell: is called with a line for each unreadable run.
        figures: of networks.
        studies: summaries of searches, by name.
        costs: measured costs of networks, by name.

    Raises:
        StorageError: MLflow's store cannot be written.
    """
    counts: Counter[str] = Counter()
    ended, known = _scan(runs, tell, counts)
    networks: dict[tuple[str, str], list[tuple[NetworkRecord, str]]] = defaultdict(list)
    for group in records:
        for network in group.networks:
            networks[GROUP_EXPERIMENT, network.name].append((network, group.profile))
    uri = server_uri()
    store = open_store(folder) if uri is None else open_server(folder, uri)
    try:
        experiments = {store.experiment(name): (name, parents) for name, parents in ended.items()}
        for experiment_id in {**experiments, **dict.fromkeys(store.experiments())}:
            name, parents = experiments.get(experiment_id, ("", {}))
            summaries = {
                parent: summary
                for parent, parts in parents.items()
                if (summary := _summary(name, parent, parts, networks, figures or {}, studies, costs)) is not None
            }
            _Experiment(store, name, _listing(store, experiment_id, counts), tell, counts).replay(
                parents, known, summaries
            )
    except tracking_errors() as error:
        raise StorageError(f"cannot rebuild MLflow's store {shown(store.uri)}: {reason(error)}") from error
    return ReplaySummary(**{field: counts[field] for field in ReplaySummary.__dataclass_fields__})


def _scan(
    runs: RunStore, tell: Callable[[str], object], counts: Counter[str]
) -> tuple[dict[str, dict[str, list[_Part]]], dict[str, RunFolder]]:
    """Finished runs by experiment and parent, and a folder for the key of every run and parent, finished or not."""
    ended: dict[str, dict[str, list[_Part]]] = defaultdict(lambda: defaultdict(list))
    known: dict[str, RunFolder] = {}
    for folder, header in _headers(runs, tell, counts):
        has_result = (folder.path / "result.json").exists()
        for member in header.members:
            known[run_entry(header, member).key] = known[parent_entry(member.experiment, member.parent).key] = folder
            if has_result:
                ended[member.experiment][member.parent].append(_Part(folder, header, member))
    return ended, known


def _headers(
    runs: RunStore, tell: Callable[[str], object], counts: Counter[str]
) -> Iterator[tuple[RunFolder, RunHeader]]:
    for folder in runs:
        try:
            header = folder.header()
        except StorageError as error:
            tell(str(error))
            counts["unreadable"] += 1
        else:
            if header is not None:
                yield folder, header


def _listing(store: MlflowStore, experiment_id: str, counts: Counter[str]) -> "dict[str, Run]":
    """An experiment's runs by key. A second run with the same key (restored from MLflow's trash) is deleted."""
    listing: dict[str, Run] = {}
    for run in store.runs(experiment_id):
        key = run.data.tags.get(KEY)
        if key in listing:
            store.delete(run)
            counts["doubles"] += 1
        elif key is not None:
            listing[key] = run
    return listing


@dataclass(frozen=True)
class _Experiment:
    """The replay of one experiment. Runs leave `listing` once they are settled."""

    store: MlflowStore
    name: str
    listing: "dict[str, Run]"
    tell: Callable[[str], object]
    counts: Counter[str]

    def replay(
        self,
        parents: Mapping[str, list[_Part]],
        known: Mapping[str, RunFolder],
        summaries: Mapping[str, Summary],
    ) -> None:
        """Settle the parents that have finished runs, then end runs that were left RUNNING."""
        children: dict[str, list[tuple[str, str]]] = defaultdict(list)
        ends: list[tuple[Run, int]] = []
        for parent, parts in parents.items():
            endings = [(part, ending) for part in parts if (ending := self._ending(part.folder)) is not None]
            if not endings:
                continue
            run = self._network(parent, endings, children)
            end_ms = max(ending.end_ms for _, ending in endings)
            if parent in summaries:
                former = run.info.run_id
                run = settle_parent(self.store, parent_entry(self.name, parent), run, summaries[parent], end_ms)
                children[run.info.run_id] = children.pop(former)
            ends.append((run, end_ms))

        for key, run in self.listing.items():
            if not self.store.is_local and key not in known:
                continue  # another user's
            if run.data.tags.get(ROLE) == "parent":
                if run.info.status == "RUNNING":
                    ends.append((run, _now_ms()))
                continue
            self.counts["unknown"] += key not in known
            status = run.info.status
            if status == "RUNNING" and not _in_training(known.get(key)):
                self.store.end(run.info.run_id, "KILLED", _now_ms())
                self.counts["killed"] += 1
                status = "KILLED"
            children[run.data.tags.get(PARENT_ID, "")].append((run.data.tags.get(ROLE, ""), status))

        for run, end_ms in ends:
            final = parent_status(children[run.info.run_id])
            if final == run.info.status:
                continue
            if final == "RUNNING":
                self.store.reopen(run.info.run_id)
            else:
                self.store.end(run.info.run_id, final, end_ms)

    def _network(
        self, parent: str, endings: Sequence[tuple[_Part, Ending]], children: dict[str, list[tuple[str, str]]]
    ) -> "Run":
        entry = parent_entry(self.name, parent)
        first_ms = min(ending.start_ms for _, ending in endings)
        run = self.listing.pop(entry.key, None) or obtain(self.store, entry, None, first_ms)
        for part, ending in endings:
            child = run_entry(part.header, part.member)
            weights = kept_weights(self.store, part.folder)
            found = self.listing.pop(child.key, None)
            self.counts[settle_run(self.store, child, ending, run.info.run_id, found, weights)] += 1
            children[run.info.run_id].append((child.role, ending.status))
        return run

    def _ending(self, folder: RunFolder) -> Ending | None:
        try:
            return read_ending(folder)
        except StorageError as error:
            self.tell(str(error))
            self.counts["unreadable"] += 1
            return None


def _summary(
    experiment: str,
    parent: str,
    parts: Sequence[_Part],
    networks: Mapping[tuple[str, str], Sequence[tuple[NetworkRecord, str]]],
    figures: Figures,
    studies: Mapping[str, Summary],
    costs: Costs,
) -> Summary | None:
    """The summary of a parent, if there is a record of it."""
    if experiment == SEARCH_EXPERIMENT:
        return studies.get(parent)
    found = _record_of({part.header.run for part in parts}, networks.get((experiment, parent), ()))
    if found is None:
        return None
    record, profile = found
    runs = {run.run for run in record.runs} | {rate.run for rate in record.rates}
    data = next((part.header.data_name for part in parts if part.header.run in runs), "")
    return network_summary(record, data, figures.get((experiment, parent), ()), profile, costs.get(parent))


def _record_of(runs: set[str], records: Sequence[tuple[NetworkRecord, str]]) -> tuple[NetworkRecord, str] | None:
    shares = [
        len(runs & {*(rate.run for rate in record.rates), *(run.run for run in record.runs)}) for record, _ in records
    ]
    best = max(shares, default=0)
    return records[len(shares) - 1 - shares[::-1].index(best)] if best else None


def _in_training(folder: RunFolder | None) -> bool:
    return folder is not None and is_locked(folder.lock)


def _now_ms() -> int:
    return round(time.time() * 1000)
