"""The report's numbers for other programs: flat metrics, and two CSV tables with exact values."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from pipeline.evidence.records import Interval
from pipeline.reporting.comparison import Comparison, Network
from pipeline.reporting.formatting import csv_cell

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


def metrics(comparisons: Sequence[Comparison]) -> dict[str, dict[str, float]]:
    """For each network its numbers, flat, for `dvc metrics`; what is not known is left out."""
    return {
        network.label: {key: value for key, value in _numbers(network).items() if value is not None}
        for comparison in comparisons
        for network in comparison.networks
    }


def networks_csv(comparisons: Sequence[Comparison]) -> str:
    """One row a network, in the report's order."""
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
    """One row a network, seed and epoch, for `dvc plots`; of failed seeds what they reached."""
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
    """The ends of the intervals, which `dvc metrics` has no use for."""
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
