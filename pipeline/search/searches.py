"""A search as a user asks for it: resolved into a plan, told what it would cost, carried out, and written down."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import search_spaces
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import UsageError
from pipeline.evidence.store import RunFolder
from pipeline.evidence.study_records import Budget, FinalistsRecord, SearchPlan, StudyState, Trial
from pipeline.evidence.tracking_content import SEARCH_EXPERIMENT, study_summary
from pipeline.files import write_json
from pipeline.machine import default_workers
from pipeline.search.display import Display
from pipeline.search.driver import Driver, spec_of
from pipeline.search.estimate import RECORD_BYTES, run_seconds
from pipeline.search.finalists import finalists
from pipeline.search.gate import sample_within
from pipeline.search.measuring import measured_costs
from pipeline.search.runner import PASSING_REASONS as PASSING_REASONS
from pipeline.search.runner import RETRIES, Runner
from pipeline.search.search_display import SearchDisplay
from pipeline.search.search_plans import default_name, differences
from pipeline.search.session import open_runner
from pipeline.search.studies import StoredStudy, Studies, shown, sqlite_file
from pipeline.search.study_summary import images_of, images_seen, study_json
from pipeline.settings import FinalistsSettings
from pipeline.workspace import Workspace

STORAGE_VARIABLE = "CONVSTUDY_STORAGE"
ESTIMATED_NETWORKS = 9
"""Networks drawn uniformly within the limits, whose median time stands for a trial's in an estimate."""


def storage_url(place: Workspace, given: str | None) -> str:
    """The storage in force: the one given, else CONVSTUDY_STORAGE's, else the workspace's own SQLite file."""
    url = given or os.environ.get(STORAGE_VARIABLE) or f"sqlite:///{place.studies}"
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise UsageError(f"storage (={shown(url)}) must be a URL: sqlite:///FILE or postgresql://…")
    return url


def search(
    place: Workspace,
    manifest: Manifest,
    plan: SearchPlan,
    budget: Budget,
    *,
    name: str | None = None,
    url: str | None = None,
    fresh: bool = False,
    workers: int | None = None,
    retries: int = RETRIES,
    data_folder: Path | None = None,
    keep_weights: bool = True,
    checkpoint_seconds: float = 30.0,
    quiet: bool = False,
) -> dict[str, Any]:
    """Carry a study to its budget (a new one, or one that is there) and return its record.

    Raises UsageError, listing what differs, where the study of that name was made with another plan.
    """
    url = storage_url(place, url)
    name = name or default_name(plan)
    studies = Studies(url, place.locks)
    try:
        study = _opened(studies, name, plan, fresh)
        display = SearchDisplay(name, plan, budget, quiet=quiet)
        workers = workers or default_workers(plan.device)
        with (
            study.driven(),
            open_runner(
                place,
                manifest,
                plan.device,
                display,
                workers,
                keep_weights,
                checkpoint_seconds,
                data_folder,
                retries=retries,
            ) as runner,
        ):
            try:
                warm = warm_trials(studies, plan.warm_start)
                Driver(study, budget, runner, workers, measured_costs(plan), display.told, warm).run()
            finally:
                display.close()
            record = read_study(study, manifest, driven=False)
            _show_in_mlflow(runner, record)
        return record
    finally:
        studies.close()


def estimate_search(
    place: Workspace,
    manifest: Manifest,
    plan: SearchPlan,
    budget: Budget,
    name: str | None,
    url: str | None,
    workers: int,
) -> tuple[str, dict[str, Any]]:
    """What a search would train, hours and disk (an estimate), as text and as JSON; nothing is created."""
    name = name or default_name(plan)
    space = search_spaces.space(plan.space)
    counted = _counted_so_far(storage_url(place, url), place, name)
    sample = sample_within(plan, space, ESTIMATED_NETWORKS)
    if not sample:
        raise UsageError(f"no network of {space.name} within the limits was met in 20,000 draws: an estimate needs one")
    seconds = statistics.median(_trial_seconds(plan, config, manifest) for config in sample) / workers
    trials = (
        max(0, budget.trials - counted) if budget.trials is not None else round(3600 * (budget.hours or 0) / seconds)
    )
    hours = trials * seconds / 3600
    disk = trials * RECORD_BYTES
    text = (
        f"study {name}: {space.size:,} networks in {space.name}; {counted} trials counted, {trials} to go: about "
        f"{hours:.2f} hours with {workers} at once on {plan.device}, {disk / 2**20:.0f} MiB and the front's weights"
    )
    return text, {
        "study": name,
        "networks": space.size,
        "counted": counted,
        "trials": trials,
        "hours": hours,
        "disk_bytes": disk,
    }


def _trial_seconds(plan: SearchPlan, config: dict[str, Any], manifest: Manifest) -> float:
    """Seconds of one trial's training by one worker, on average over what its rungs let go on."""
    epochs, before = 0.0, 0
    for place, rung in enumerate(plan.rungs):
        epochs += (rung - before) / (plan.reduction or 1) ** place
        before = rung
    return run_seconds(spec_of(plan, config), manifest) * epochs / plan.recipe.epochs


def _counted_so_far(url: str, place: Workspace, name: str) -> int:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return 0
    studies = Studies(url, place.locks)
    try:
        return len(studies.open(name).trials()) if name in studies.names() else 0
    finally:
        studies.close()


def _opened(studies: Studies, name: str, plan: SearchPlan, fresh: bool) -> StoredStudy:
    if name in studies.names():
        if not fresh:
            study = studies.open(name)
            different = differences(study.plan, plan)
            if different:
                raise UsageError(
                    f"study {name} was made with other settings ({'; '.join(different)}): "
                    "give those again, another --study, or --fresh to begin anew"
                )
            return study
        studies.remove(name)
    return studies.create(name, plan)


def _show_in_mlflow(runner: Runner, record: dict[str, Any]) -> None:
    """Give the study's parent run its summary, and the front's trials their weights; others' weights are removed."""
    for trial in record["trials"]:
        folder = runner.store.folder(trial["run"])
        if trial["number"] in record["front"]:
            runner.mirror.finished(folder, on_front=True)
        elif _only_searched(folder):
            folder.weights.unlink(missing_ok=True)
    with TemporaryDirectory() as place:
        file = Path(place) / "study.json"
        write_json(file, record)
        runner.mirror.parent(SEARCH_EXPERIMENT, record["study"], study_summary(record, {"": [file]}))


def _only_searched(folder: RunFolder) -> bool:
    """Whether no one but searches has asked for a run."""
    header = folder.header()
    return header is not None and all(member.role == "trial" for member in header.members)


def warm_start_of(place: Workspace, url: str | None, name: str) -> str:
    """A study from which another may learn, and how many trials it has by now, as a plan keeps it: "name:12"."""
    studies = Studies(storage_url(place, url), place.locks)
    try:
        return f"{name}:{len(studies.open(name).trials())}"
    finally:
        studies.close()


def warm_trials(studies: Studies, warm_start: str | None) -> list[Trial]:
    """The trials that a plan's `warm_start` names."""
    if warm_start is None:
        return []
    name, _, count = warm_start.rpartition(":")
    return studies.open(name).trials()[: int(count)]


def run_finalists(
    place: Workspace,
    name: str,
    wanted: FinalistsSettings,
    *,
    url: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> FinalistsRecord:
    """Train the finalists of a study as it stands; raises UsageError while it is searched."""
    studies = Studies(storage_url(place, url), place.locks)
    try:
        study = studies.open(name)
        if study.is_driven():
            raise UsageError(f"study {name} is still being searched")
        return compare_finalists(place, name, study.plan, study.trials(), wanted, url, workers, quiet)
    finally:
        studies.close()


def compare_finalists(
    place: Workspace,
    name: str,
    plan: SearchPlan,
    trials: Sequence[Trial],
    wanted: FinalistsSettings,
    url: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> FinalistsRecord:
    """Train finalists and what they are compared with, a random search of the same compute first if it is wanted.

    Raises UsageError where no trial is complete, or the data are not those of the study.
    """
    if not any(trial.state == "complete" for trial in trials):
        raise UsageError(f"study {name} has no complete trial yet")
    manifest = load_manifest(place.prepared_data / plan.data)
    if manifest.fingerprint != plan.data_fingerprint:
        raise UsageError(f"study {name} searched on other data than {plan.data} now holds: prepare the former data")
    rivals = _random_search(place, manifest, name, plan, trials, url, workers, quiet) if wanted.random_search else None
    display = Display(f"finalists of {name}", 0, quiet=quiet)
    workers = workers or default_workers(plan.device)
    with open_runner(place, manifest, plan.device, display, workers, keep_weights=True) as runner:
        return finalists(name, plan, trials, wanted, runner, rivals, display.expect)


def _random_search(
    place: Workspace,
    manifest: Manifest,
    name: str,
    plan: SearchPlan,
    trials: Sequence[Trial],
    url: str | None,
    workers: int | None,
    quiet: bool,
) -> list[Trial]:
    """Networks drawn at random and trained in full, for as many training images as the search saw."""
    epochs = plan.recipe.epochs
    uniform = replace(plan, sampler="random", rungs=(epochs,), reduction=None, warm_start=None)
    count = manifest.splits["train"].count
    seen = sum(images_seen(trial, plan, count) for trial in trials)
    budget = Budget(trials=max(1, seen // images_of(plan, epochs, count)))
    random_name = f"{name}-random"
    search(place, manifest, uniform, budget, name=random_name, url=url, workers=workers, quiet=quiet)
    studies = Studies(storage_url(place, url), place.locks)
    try:
        return studies.open(random_name).trials()
    finally:
        studies.close()


def read_study(study: StoredStudy, manifest: Manifest, driven: bool | None = None) -> dict[str, Any]:
    """The record of a study as it stands; `driven` says, where it is known, whether a driver is at work."""
    trials = study.trials()
    state = state_of(study, trials, study.is_driven() if driven is None else driven)
    count = manifest.splits["train"].count
    return study_json(study.name, study.plan, study.budget, state, trials, study.tail, count)


def state_of(study: StoredStudy, trials: Sequence[Trial], driven: bool) -> StudyState:
    """The state: "running" while a driver holds the study; then by whether its last budget was spent."""
    if driven:
        return "running"
    if any(trial.state is None for trial in trials):
        return "interrupted"
    if study.exhausted:
        return "exhausted"
    budget = study.budget
    if budget is None or (budget.trials is not None and len(trials) < budget.trials):
        return "interrupted"
    if budget.hours is not None and study.spent_seconds < 3600 * budget.hours:
        return "interrupted"
    return "complete"


def list_studies(place: Workspace, url: str | None) -> list[dict[str, Any]]:
    """Every study of a storage that convstudy made: name, state, space, how many trials count."""
    studies = Studies(storage_url(place, url), place.locks)
    try:
        rows = []
        for name in studies.names():
            study = studies.open(name)
            trials = study.trials()
            count = sum(trial.counted_at is not None for trial in trials)
            space = list(study.plan.space)
            rows.append(
                {"study": name, "state": state_of(study, trials, study.is_driven()), "space": space, "counted": count}
            )
        return rows
    finally:
        studies.close()


def status(place: Workspace, name: str, url: str | None) -> dict[str, Any]:
    """The record of a study as it stands, whether a driver is at work or not."""
    studies = Studies(storage_url(place, url), place.locks)
    try:
        study = studies.open(name)
        return read_study(study, load_manifest(place.prepared_data / study.plan.data))
    finally:
        studies.close()
