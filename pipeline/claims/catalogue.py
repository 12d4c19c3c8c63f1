"""Reads reports/claims.yaml strictly: experiments, timings, what the source claims, and how each claim is judged.

reports/my-claims.yaml holds a user's own claims in the same form. They may use experiments and timings of both files.

The rules are fixed before anything is run: a part of a claim is data (pipeline/claims/parts.py), and judging never
looks at an identifier.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic.dataclasses import dataclass

from pipeline.claims.experiments import Experiment
from pipeline.claims.parts import Beside, CostRatio, EmpiricalPart, Part, PopulationPart, TimedContrast, TrainedContrast
from pipeline.claims.timings.plans import Timing
from pipeline.errors import UsageError
from pipeline.schema import STRICT, parse, to_json
from pipeline.workspace import Workspace

Theme = Literal["depth", "width", "cost", "normalisation", "connections", "design spaces"]
Known = Literal["holds", "false", "depends", "contested", "expected"]


@dataclass(frozen=True, config=STRICT)
class Claim:
    """One sentence of the source as a hypothesis.

    Attributes:
        theme: heading under which it is reported.
        source: section of the source.
        statement: what the source says, in English.
        known: what a careful reading expects before the study.
        parts: parts of the claim; each is judged on its own.
        primary: whether the study was planned for it.
        remark: what a reader must know, such as the right figure and its arithmetic.
        beside: further figures for information, not judged.
    """

    theme: Theme
    source: str
    statement: str
    known: Known
    parts: tuple[Part, ...]
    primary: bool = False
    remark: str = ""
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Catalogue:
    """`claims.yaml`: claims by identifier, in the order of the source, and the experiments and timings they use."""

    experiments: dict[str, Experiment] = field(default_factory=dict)
    timings: dict[str, Timing] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        twice = sorted(set(self.experiments) & set(self.timings))
        if twice:
            raise ValueError(f"{twice[0]!r} must not name both an experiment and a timing")
        for identifier, claim in self.claims.items():
            for part in (*claim.parts, *claim.beside):
                self._check(part, identifier)

    @property
    def primary_experiments(self) -> set[str]:
        """Experiments that primary claims use."""
        parts = [part for claim in self.claims.values() if claim.primary for part in claim.parts]
        return {part.experiment for part in parts if isinstance(part, EmpiricalPart | PopulationPart)}

    def _check(self, part: Part | Beside, identifier: str) -> None:
        """Raise ValueError if a part names something that does not exist."""
        if isinstance(part, TimedContrast):
            timing = _named(self.timings, "timing", part.timing, identifier)
            _check_all(part.contrast, timing.arms, f"{identifier}: timing {part.timing} has no arm")
        elif isinstance(part, TrainedContrast):
            experiment = _named(self.experiments, "experiment", part.experiment, identifier)
            if part.figure is not None and part.figure[0] not in experiment.probes:
                raise ValueError(
                    f"{identifier}: experiment {part.experiment} does not take the probe {part.figure[0]!r}"
                )
            known = [*experiment.arms, *experiment.groups]
            _check_all(part.contrast, known, f"{identifier}: experiment {part.experiment} has no arm or group")
        elif isinstance(part, PopulationPart):
            experiment = _named(self.experiments, "experiment", part.experiment, identifier)
            wanted = (part.better, part.than)
            _check_all(wanted, experiment.populations, f"{identifier}: experiment {part.experiment} has no population")
        elif isinstance(part, CostRatio):
            experiment = _named(self.experiments, "experiment", part.experiment, identifier)
            _check_all((part.of, part.over), experiment.arms, f"{identifier}: experiment {part.experiment} has no arm")


Named = TypeVar("Named")


def _named(known: Mapping[str, Named], kind: str, name: str, identifier: str) -> Named:
    if name not in known:
        raise ValueError(f"{identifier}: unknown {kind} {name!r}: {', '.join(known)}")
    return known[name]


def _check_all(wanted: Iterable[str], known: Iterable[str], message: str) -> None:
    missing = [name for name in wanted if name not in set(known)]
    if missing:
        raise ValueError(f"{message} {missing[0]!r}")


def catalogue_of(workspace: Workspace) -> Catalogue:
    """The source's claims. Raises UsageError with every fault in them."""
    return read_catalogue(workspace.root / "reports" / "claims.yaml")


def catalogues_of(workspace: Workspace) -> tuple[Catalogue, Catalogue]:
    """The source's claims, and the user's own with the experiments and timings of both. Raises UsageError likewise."""
    source = catalogue_of(workspace)
    return source, read_own_catalogue(workspace.root / "reports" / "my-claims.yaml", source)


def read_catalogue(path: Path) -> Catalogue:
    """The claims in a file. Raises UsageError with every fault and its place."""
    return parse(Catalogue, _content(path), path.name)


def read_own_catalogue(path: Path, source: Catalogue) -> Catalogue:
    """The user's own claims, with the experiments and timings of both files. Empty if there is no file, or no entry.

    Raises UsageError with every fault and its place, and for a name that the source's file already has.
    """
    content = (_content(path) if path.exists() else None) or {}
    if isinstance(content, dict):
        for kind, known in to_json(source).items():
            own = content.get(kind) or {}
            if isinstance(own, dict):
                taken = {name.upper() for name in known}
                if twice := [name for name in own if str(name).upper() in taken]:
                    raise UsageError(f"{path.name}: {kind}.{twice[0]}: claims.yaml has this name: choose another")
                content[kind] = own if kind == "claims" else {**known, **own}
    return parse(Catalogue, content, path.name)


def _content(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from error
