"""The tables behind `import convstudy`, `--csv` and `--parquet`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.api.types import is_object_dtype

from pipeline.actions.frames import frame
from pipeline.actions.networks import ReferenceRow
from pipeline.claims.verdicts import ClaimVerdict, PartVerdict
from pipeline.cost.table import COSTS
from pipeline.errors import UsageError
from pipeline.evidence.finalist_records import FinalistsRecord, Member
from pipeline.evidence.population import TableNetwork, published_full_trainings, published_table
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.evidence.study_records import StudyRecord, TrialRecord
from pipeline.running.plans import price_of
from pipeline.workspace import Workspace


def architectures_table(rows: Sequence[ReferenceRow]) -> pd.DataFrame:
    """Reference networks by name."""
    return frame(ReferenceRow, rows, "name")


def studies_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Studies by name, from the rows of `list_studies`."""
    joined = [{**row, "space": ",".join(row["space"])} for row in rows]
    types = {"study": "str", "state": "str", "space": "str", "counted": "int64"}
    return pd.DataFrame(joined, columns=list(types)).astype(types).set_index("study")


def trials_table(record: StudyRecord) -> pd.DataFrame:
    """Counted trials by number, in the order in which they were counted."""
    trials = record.trials
    table = _with_costs(frame(TrialRecord, trials, "number"), [trial.costs for trial in trials])
    epochs = [trial.rungs[-1].epochs if trial.rungs else 0 for trial in trials]
    table = table.assign(
        family=_families(table, trials),
        epochs=pd.Series(epochs, table.index, dtype="int64"),
        front=table.index.isin(record.front),
        learning_rate=record.plan.recipe.learning_rate if record.plan else float("nan"),
    )
    return _ordered(table, "state", "family")


def front_table(record: StudyRecord) -> pd.DataFrame:
    """The trials of the front, lowest error first."""
    table = trials_table(record).loc[[trial.number for trial in record.front_trials]]
    return table.drop(columns="front")


def members_table(record: FinalistsRecord) -> pd.DataFrame:
    """Finalists by number of their trial."""
    return frame(Member, record.members, "trial")


def claims_table(verdicts: Sequence[ClaimVerdict]) -> pd.DataFrame:
    """Claims by identifier."""
    return frame(ClaimVerdict, verdicts, "id")


def parts_table(verdicts: Sequence[ClaimVerdict]) -> pd.DataFrame:
    """Parts of claims by identifier of the claim and number of the part (from 1)."""
    keys = [(claim.id, number) for claim in verdicts for number, _ in enumerate(claim.parts, start=1)]
    table = frame(PartVerdict, [part for claim in verdicts for part in claim.parts])
    return table.set_index(pd.MultiIndex.from_tuples(keys, names=["id", "part"]))


@dataclass(frozen=True)
class RunRow:
    """One run of the run store. `state` is None until it has finished; `weights` is the path, if weights were kept."""

    run: str
    name: str
    family: str
    data: str
    seed: int
    state: str | None
    reason: str | None
    epochs: int
    validation_error_percent: float | None
    test_error_percent: float | None
    params: int
    macs: int
    activations: int
    learning_rate: float
    batch_size: int
    train_images: int | None
    resolution: int
    device: str
    train_seconds: float | None
    peak_memory_bytes: int | None
    finished_at: str | None
    weights: str | None


def runs_table(workspace: Workspace) -> pd.DataFrame:
    """All runs of the run store by address."""
    table = frame(RunRow, (_run_row(folder) for folder in RunStore(workspace.runs)), "run")
    return table.assign(finished_at=pd.to_datetime(table["finished_at"], utc=True, format="ISO8601"))


def _run_row(folder: RunFolder) -> RunRow:
    header, result, measurement, score = folder.header(), folder.result(), folder.measurement(), folder.test_score()
    assert header is not None, "a store yields only runs with a header"
    spec, history = header.spec, result.history if result else ()
    price = price_of(spec.family, spec.config, spec.resolution, spec.channels, spec.classes)
    return RunRow(
        run=folder.run,
        name=header.name,
        family=spec.family,
        data=header.data_name,
        seed=spec.seed,
        state=result.state if result else None,
        reason=result.reason if result else None,
        epochs=len(history),
        validation_error_percent=history[-1].validation_error_percent if history else None,
        test_error_percent=score.test_error_percent if score else None,
        params=price.params,
        macs=price.macs,
        activations=price.activations,
        learning_rate=spec.recipe.learning_rate,
        batch_size=spec.recipe.batch_size,
        train_images=spec.recipe.train_images,
        resolution=spec.resolution,
        device=spec.device,
        train_seconds=measurement.train_seconds if measurement else None,
        peak_memory_bytes=measurement.peak_memory_bytes if measurement else None,
        finished_at=measurement.finished_at if measurement else None,
        weights=str(folder.weights) if folder.weights.exists() else None,
    )


def population_table(workspace: Workspace) -> pd.DataFrame:
    """Networks of the published population by number. Raises UsageError if none is published.

    `validation_error_percent` is measured after the last epoch of the first seed, `full_validation_error_percent` after
    a training on all images, for networks that had one.
    """
    published = published_table(workspace)
    if published is None:
        raise UsageError(f"{workspace.published} has no population: use the clone as the workspace")
    networks, seed, full = published.networks, str(published.plan.seed), published_full_trainings(workspace)
    table = _with_costs(frame(TableNetwork, networks, "number").drop(columns="costs"), [n.costs for n in networks])
    in_full = {training.number: training.errors[-1] for training in full.networks} if full else {}
    table = table.assign(
        family=_families(table, networks),
        validation_error_percent=[network.errors[seed][-1] for network in networks],
        full_validation_error_percent=table.index.map(in_full).astype("float64"),
    )
    return _ordered(table, "family")


def _families(table: pd.DataFrame, rows: Sequence[TrialRecord | TableNetwork]) -> "pd.Series[str]":
    return pd.Series([row.config["family"] for row in rows], table.index, dtype="str")


def _with_costs(table: pd.DataFrame, costs: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Add a column for each cost that is known for at least one row."""
    known = [cost for cost in COSTS.values() if any(cost.key in row for row in costs)]
    columns = {
        cost.key: pd.Series([row.get(cost.key) for row in costs], table.index, dtype="float64") for cost in known
    }
    whole = {cost.key: "Int64" if columns[cost.key].hasnans else "int64" for cost in known if cost.unit.is_whole}
    return table.assign(**columns).astype(whole)


def _ordered(table: pd.DataFrame, *first_names: str) -> pd.DataFrame:
    """Order the columns: these first, then error and costs, then the rest, and nested values last."""
    first = [*first_names, "validation_error_percent", *(key for key in COSTS if key in table)]
    nested = [str(name) for name, dtype in table.dtypes.items() if is_object_dtype(dtype)]
    rest = [str(name) for name in table if name not in first and name not in nested]
    return table[[*first, *rest, *nested]]
