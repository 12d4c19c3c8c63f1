"""Runs or estimates a search, and compares its finalists, from the options that a user gives."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.actions.inputs import data_folder, open_data
from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest
from pipeline.errors import RunsFailedError, UsageError
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.records import PASSING_REASONS
from pipeline.evidence.study_records import Budget, SearchPlan, StudyRecord
from pipeline.machine import resolve_device
from pipeline.running.open_runner import RunnerOptions
from pipeline.schema import parse
from pipeline.search import estimate, plans, searches, warm_starts
from pipeline.search.finalist_runs import run_finalists
from pipeline.settings import FinalistsSettings
from pipeline.workspace import Workspace

DEFAULT_TRIALS = 40


@dataclass(frozen=True)
class SearchOptions:
    """The options of `convstudy search`. `limits` are by key of the cost."""

    families: Sequence[str]
    limits: Mapping[str, float]
    trials: int | None
    hours: float | None
    objectives: str
    sampler: str
    fidelity: str
    data: str | None
    train_images: int | None
    epochs: int | None
    profile: str | None
    workers: int | None
    executor: str
    device: str
    seed: int
    storage: str | None
    study: str | None
    fresh: bool
    warm_start: str | None
    retries: int


def search(workspace: Workspace, wanted: SearchOptions, quiet: bool) -> StudyRecord:
    """Run a new study, or resume an existing one, until its budget is spent."""
    manifest, plan, budget, runner = _resolved(workspace, wanted)
    return searches.search(
        workspace,
        manifest,
        plan,
        budget,
        name=wanted.study,
        url=wanted.storage,
        fresh=wanted.fresh,
        options=runner,
        quiet=quiet,
    )


def estimate_search(workspace: Workspace, wanted: SearchOptions) -> tuple[str, dict[str, Any]]:
    """Estimate what a search would train, with hours and disk; as text and as JSON."""
    manifest, plan, budget, runner = _resolved(workspace, wanted)
    return estimate.estimate_search(
        workspace, manifest, plan, budget, wanted.study, wanted.storage, runner.workers, wanted.fresh
    )


def _resolved(workspace: Workspace, wanted: SearchOptions) -> tuple[Manifest, SearchPlan, Budget, RunnerOptions]:
    if wanted.fidelity not in ("full", "halving"):
        raise UsageError(f"unknown fidelity {wanted.fidelity!r}: known: full, halving")
    settings, folder, manifest = open_data(workspace, wanted.data)
    changes = {"epochs": wanted.epochs, "train_images": wanted.train_images}
    warm = wanted.warm_start
    plan = plans.plan_search(
        [family.strip() for family in wanted.families],
        settings.search_recipe(wanted.profile, {key: value for key, value in changes.items() if value is not None}),
        manifest,
        resolve_device(wanted.device),
        objectives=plans.read_objectives(wanted.objectives),
        limits=Limits(dict(wanted.limits)),
        sampler=wanted.sampler,
        halving=wanted.fidelity == "halving",
        seed=wanted.seed,
        warm_start=None if warm is None else warm_starts.warm_start_of(workspace, wanted.storage, warm),
    )
    trials = DEFAULT_TRIALS if wanted.trials is None and wanted.hours is None else wanted.trials
    budget = parse(Budget, {"trials": trials, "hours": wanted.hours}, "budget")
    runner = RunnerOptions(wanted.workers, folder, keep_weights=True, retries=wanted.retries, executor=wanted.executor)
    return manifest, plan, budget, runner


def check_search(record: StudyRecord) -> None:
    """Raise RunsFailedError if trials were lost to machine faults, or if all trials failed.

    A network that diverged is a result of the search. A lost trial is not.
    """
    lost = [trial for trial in record.trials if trial.reason in PASSING_REASONS]
    if lost:
        raise RunsFailedError(f"{len(lost)} of {record.counted} trials were lost: {lost[0].reason}")
    if record.trials and all(trial.state == "failed" for trial in record.trials):
        (reason, count), *_ = Counter(trial.reason for trial in record.trials).most_common()
        raise RunsFailedError(f"all {len(record.trials)} trials failed; most common reason ({count}): {reason}")


def finalists(
    workspace: Workspace,
    study: str,
    wanted: FinalistsSettings,
    *,
    data: str | None,
    workers: int | None,
    storage: str | None,
    quiet: bool,
) -> FinalistsRecord:
    """Retrain a study's best networks with new seeds, test each once, and compare with baselines."""
    folder = None if data is None else data_folder(workspace, data)
    options = RunnerOptions(workers, folder, keep_weights=True)
    return run_finalists(workspace, study, wanted, url=storage, options=options, quiet=quiet)


def check_finalists(record: FinalistsRecord) -> None:
    """Raise RunsFailedError if trainings were lost to machine faults, or if all trainings of a member failed."""
    if record.lost:
        raise RunsFailedError(f"{record.lost} trainings were lost; run the same command again to retry them")
    failed = [member.trial for member in record.members if member.test_error_percent is None]
    if failed:
        raise RunsFailedError(f"all trainings of trial {failed[0]} failed")
