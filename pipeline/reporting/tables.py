"""The report's exact numbers for other programs: metrics for DVC, and two CSV tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from pipeline.claims.verdicts import Verdict
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.records import Interval
from pipeline.reporting.comparison import Comparison, Network
from pipeline.reporting.formatting import csv_cell
from pipeline.reporting.summary import Metrics

CURVE_COLUMNS = (
    "name",
    "group",
    "seed",
    "state",
    "epoch",
    "train_loss",
    "validation_loss",
    "validation_error_percent",
    "learning_rate",
    "gradient_norm",
)


def metrics(
    comparisons: Sequence[Comparison],
    finalists: Iterable[FinalistsRecord] = (),
    claims: Mapping[Verdict, int] = MappingProxyType({}),
) -> Metrics:
    """The few numbers by which two studies are compared, for `dvc metrics` and `dvc exp show`."""
    networks = [network for comparison in comparisons for network in comparison.networks]
    errors = {network.label: _numbers(network)["test_error_percent"] for network in networks}
    tested = {
        record.study: [member.test_error_percent.mean for member in record.members if member.test_error_percent]
        for record in finalists
    }
    return Metrics(
        test_error_percent={label: error for label, error in errors.items() if error is not None},
        finalist_test_error_percent={study: min(means) for study, means in tested.items() if means},
        claims={str(verdict): count for verdict, count in claims.items()},
    )


def networks_csv(comparisons: Sequence[Comparison]) -> str:
    """A CSV table with one row per network, in the report's order."""
    rows = []
    for comparison in comparisons:
        for network in comparison.networks:
            about = {
                "name": network.label,
                "family": network.family,
                "group": network.group,
                "data": comparison.data.name if comparison.data else None,
                "profile": comparison.profile,
                "resolution": network.resolution,
            }
            rows.append({**about, **_numbers(network), **_ends(network), "flags": "; ".join(network.flags)})
    return _csv(tuple(rows[0]) if rows else (), rows)


def curves_csv(comparisons: Sequence[Comparison]) -> str:
    """A CSV table with one row per network, seed and epoch, for `dvc plots`; includes epochs of failed seeds."""
    return _csv(CURVE_COLUMNS, [row for comparison in comparisons for row in _curves(comparison)])


def _curves(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for network in comparison.networks:
        for run in network.runs:
            for epoch in run.history:
                about = {"name": network.label, "group": network.group, "seed": run.seed, "state": run.state}
                yield {**about, **{key: getattr(epoch, key) for key in CURVE_COLUMNS[4:]}}


def _numbers(network: Network) -> dict[str, float | None]:
    record, cost = network.record, network.cost
    latency = (cost.latency_seconds if cost else None) or {}
    return {
        "test_error_percent": _mean(record.test_error_percent if record else None),
        "validation_error_percent": _mean(record.validation_error_percent if record else None),
        "params": network.params,
        "macs": network.macs,
        "activations": network.activations,
        "saved_bytes_per_sample": cost.saved_bytes_per_sample if cost else None,
        "latency_seconds_batch_1": latency.get("1"),
        "images_per_second": cost.images_per_second if cost else None,
        "train_seconds": _mean(network.train_seconds),
        "seeds": len(network.complete_runs) if record else None,
    }


def _ends(network: Network) -> dict[str, float | None]:
    """The ends of the intervals; `dvc metrics` does not need them."""
    ends: dict[str, float | None] = {}
    for key in ("test_error_percent", "validation_error_percent", "train_seconds"):
        interval = getattr(network.record, key).interval if network.record and getattr(network.record, key) else None
        ends[f"{key}_low"], ends[f"{key}_high"] = interval or (None, None)
    return ends


def _mean(interval: Interval | None) -> float | None:
    return interval.mean if interval else None


def _csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    table = pd.DataFrame(rows, columns=list(columns), dtype=object)  # else whole numbers beside gaps become floats
    return table.map(csv_cell).to_csv(index=False, lineterminator="\n")
