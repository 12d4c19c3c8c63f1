"""Records of a network's cost: one row per layer, and the whole profile; conventions in pipeline/cost/counts.py."""

from dataclasses import field
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from pipeline.schema import STRICT


@dataclass(frozen=True, config=STRICT)
class LayerCost:
    """One row of the per-layer table. `output` is (C, H, W) or (features,)."""

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    activations: int


@dataclass(frozen=True, config=STRICT)
class CostProfile:
    """Result of `convstudy profile` for one network; conventions in pipeline/cost.

    `latency_seconds` maps batch size to seconds per batch in eval mode; `images_per_second` is for the largest batch.
    `train_memory_bytes` is for a batch of `train_memory_batch`, measured as `train_memory_kind` states. None: not
    measured.
    """

    schema: Literal["cost/1"]
    name: str
    family: str
    config: dict[str, Any]
    resolution: int
    channels: int
    classes: int
    params: int
    params_dense: int
    macs: int
    fvcore_total: int
    uncounted_operators: dict[str, int]
    activations: int
    saved_bytes_per_sample: int
    layers: tuple[LayerCost, ...]
    latency_seconds: dict[str, float] | None = None
    images_per_second: float | None = None
    train_memory_bytes: int | None = None
    train_memory_kind: str | None = None
    train_memory_batch: int | None = None
    device: str | None = None
    threads: int | None = None
    hardware: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
