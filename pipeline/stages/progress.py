"""The position of a stage in the study: its number among all stages, and the work of the later ones.

Work is the MACs of trainings that are not finished, so the time left is a rough estimate. A training is finished if it
is in the run store; a search or a comparison of finalists, if its record exists when an earlier stage runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline.data.manifest import load_manifest
from pipeline.evidence.store import RunStore
from pipeline.machine import resolve_device
from pipeline.running.display import StudyPart
from pipeline.running.estimate import pending_macs
from pipeline.running.plans import RunPlan
from pipeline.running.requests import planned_requests
from pipeline.schema import read_record
from pipeline.search.estimate import finalists_macs, search_macs
from pipeline.search.plans import PlannedSearch
from pipeline.workspace import Workspace

_STAGES = Path(__file__).parents[2] / "dvc.yaml"
_TRAINED = {"reproduce": "reproduce", "experiment": "experiments"}
"""Stage that trains plans of networks -> folder of its plans. Searches and finalists have their plans in `search`."""


@dataclass(frozen=True)
class StageProgress:
    """A stage of the study.

    Attributes:
        label: such as "stage 4 of 11".
        works: work of each of its plans, in MACs, by name.
        later: work of the later stages, in MACs.
    """

    label: str
    works: dict[str, float]
    later: float

    def part(self, now: Iterable[str], after: Iterable[str] = ()) -> StudyPart:
        """The part of the study that trains the plans `now`, if the stage trains those in `after` later."""
        own, rest = (sum(self.works[name] for name in names) for names in (now, after))
        return StudyPart(self.label, (rest + self.later) / own if own else 0.0)


def stage_progress(workspace: Workspace, stage: str) -> StageProgress:
    """The progress of a stage that is about to train and has already deleted its old records."""
    names = list(yaml.safe_load(_STAGES.read_text(encoding="utf-8"))["stages"])
    number = names.index(stage) + 1
    later = sum(sum(_works(workspace, name).values()) for name in names[number:])
    return StageProgress(f"stage {number} of {len(names)}", _works(workspace, stage), later)


def _works(workspace: Workspace, stage: str) -> dict[str, float]:
    """Work of each plan of a stage, in MACs, by name; empty for a stage that trains nothing."""
    if stage in _TRAINED:
        plans = sorted((workspace.plans / _TRAINED[stage]).glob("*.json"))
        return {file.stem: _training_work(workspace, read_record(RunPlan, file)) for file in plans}
    if stage not in ("search", "finalists"):
        return {}
    records = workspace.results / ("studies" if stage == "search" else "finalists")
    work = search_macs if stage == "search" else finalists_macs
    found = {}
    for file in sorted((workspace.plans / "search").glob("*.json")):
        planned = read_record(PlannedSearch, file)
        manifest = load_manifest(workspace.prepared_data / planned.plan.data)
        found[file.stem] = 0.0 if (records / file.name).exists() else work(planned, manifest)
    return found


def _training_work(workspace: Workspace, plan: RunPlan) -> float:
    manifest = load_manifest(workspace.prepared_data / plan.data)
    return pending_macs(planned_requests(plan, manifest, resolve_device()), manifest, RunStore(workspace.runs))
