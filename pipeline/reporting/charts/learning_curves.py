"""Learning curves of single networks as PNG files, for their runs in MLflow."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipeline.evidence.records import GroupRecord
from pipeline.files import write_bytes
from pipeline.reporting.charts.networks import learning_curves
from pipeline.reporting.comparison import compare
from pipeline.tracking.content import GROUP_EXPERIMENT


def draw_learning_curves(groups: Iterable[GroupRecord], folder: Path) -> dict[tuple[str, str], list[Path]]:
    """Draw each network that has a completed seed into `folder`; returns (experiment, network) -> files."""
    drawn: dict[tuple[str, str], list[Path]] = {}
    singles = [replace(group, networks=(network,)) for group in groups for network in group.networks]
    for position, single in enumerate(singles):
        (comparison,) = compare([single], [])
        figure = learning_curves(comparison, "validation_error_percent")
        if figure is not None:
            path = folder / str(position) / "learning-curves.png"
            write_bytes(path, figure.png())
            drawn[GROUP_EXPERIMENT, single.networks[0].name] = [path]
    return drawn
