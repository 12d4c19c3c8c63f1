"""Runs a search: opens or creates the study, drives it, and returns its record. Also lists and reads studies."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError, unknown_name
from pipeline.evidence.store import RunFolder, RunStore
from pipeline.evidence.study_records import Budget, SearchPlan, StudyRecord, StudyState, Trial
from pipeline.files import write_json
from pipeline.process import only_one
from pipeline.running.display import ALONE, StudyPart
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.runner import Runner
from pipeline.schema import to_json
from pipeline.search.candidates import spec_of
from pipeline.search.display import SearchDisplay
from pipeline.search.driver import Driver
from pipeline.search.estimate import search_workers
from pipeline.search.measured_costs import measured_costs, times_networks
from pipeline.search.plans import default_name, in_force
from pipeline.search.storage import is_there, storage_url
from pipeline.search.studies import StoredStudy, Studies
from pipeline.search.summary import study_record
from pipeline.search.warm_starts import warm_trials
from pipeline.tracking.content import SEARCH_EXPERIMENT
from pipeline.tracking.summaries import Files, study_summary
from pipeline.workspace import Workspace

BEGIN_SECONDS = 60.0
"""How long a search waits while another one opens its study, which takes less than a second."""
KEEPING_WEIGHTS = RunnerOptions(keep_weights=True)


def record_file(record: StudyRecord, folder: Path) -> Files:
    """Write a study's record into a folder."""
    write_json(folder / "study.json", to_json(record))
    return {"": [folder / "study.json"]}


def search(
    workspace: Workspace,
    manifest: Manifest,
    plan: SearchPlan,
    budget: Budget,
    *,
    name: str | None = None,
    url: str | None = None,
    fresh: bool = False,
    options: RunnerOptions = KEEPING_WEIGHTS,
    quiet: bool = False,
    part: StudyPart = ALONE,
    study_files: Callable[[StudyRecord, Path], Files] = record_file,
) -> StudyRecord:
    """Create or resume a study, run it until its budget is spent, and return its record.

    If weights are kept, only those of the front stay. `study_files` writes files for MLflow into a folder.

    Raises UsageError that lists the differences if the study of that name was made with another plan.
    """
    url = storage_url(workspace, url)
    name = name or default_name(plan)
    with Studies(url, workspace.locks) as studies:
        known = name in studies.names()
        plan = in_force(studies.open(name).plan, plan, name) if known and not fresh else plan
        warm = warm_trials(workspace, studies, plan, name)
        display = SearchDisplay(name, plan, budget, quiet=quiet, part=part)
        options = replace(options, workers=options.workers or search_workers(plan))
        with (
            open_runner(workspace, manifest, plan.device, display, options, times_networks(plan)) as runner,
            _driven(workspace, studies, name, plan, fresh) as study,
        ):
            validation = manifest.splits["validation"]
            study.note(guessing_error_percent=100 * (1 - max(validation.class_counts) / validation.count))
            measure = measured_costs(plan, runner.paused)
            driver = Driver(study, budget, runner, runner.executor.capacity, measure, display.on_change, warm)
            _check_protocol(name, plan, driver.trials.values())
            if plan.warm_start is not None:
                display.line(f"the sampler begins with {driver.candidates.recalled} of {len(warm)} complete trials")
            driver.run()
            if options.keep_weights:
                _complete_front(driver, runner)
            record = read_study(study, runner.store, driven=False)
            _show_in_mlflow(runner, record, study_files)
        return record


@contextlib.contextmanager
def _driven(workspace: Workspace, studies: Studies, name: str, plan: SearchPlan, fresh: bool) -> Iterator[StoredStudy]:
    """Open or create the study and hold its lock; raises StorageError if another process searches it."""
    with contextlib.ExitStack() as held:
        with only_one("begin-study", workspace.locks, BEGIN_SECONDS):  # two processes must not create the same study
            known = name in studies.names()
            if known and fresh:
                studies.remove(name)
            study = studies.open(name) if known and not fresh else studies.create(name, plan)
            in_force(study.plan, plan, name)
            held.enter_context(study.driven())
        yield study


def _check_protocol(name: str, plan: SearchPlan, trials: Iterable[Trial]) -> None:
    """Raise UsageError if this version would train the study's networks differently, judging by a run's address."""
    for trial in itertools.islice(trials, 1):
        now = spec_of(plan, trial.config)
        if now.hash != trial.run:
            raise UsageError(
                f"study {name} was trained by another version of convstudy (run {trial.run} then, {now.hash} with "
                f"protocol {now.protocol} now): give another --study, or --fresh to start over"
            )


def _complete_front(driver: Driver, runner: Runner) -> None:
    """Retrain members of the front whose weights another search has removed because they were not on its front."""
    for request in driver.front_requests():
        if not runner.holds(request):
            runner.submit(request)
    for _ in runner.outcomes():
        continue


def _show_in_mlflow(runner: Runner, record: StudyRecord, study_files: Callable[[StudyRecord, Path], Files]) -> None:
    """Log the summary to the study's parent run and the weights to the front's trials; remove all other weights.

    Weights of runs that another study also requested stay, because they may be on its front.
    """
    for trial in record.trials:
        folder = runner.store.folder(trial.run)
        if trial.number in record.front:
            runner.mirror.finished(folder, on_front=True)
        else:
            with runner.store.headers_locked():  # no other study requests the run meanwhile
                if _is_only_of(record.study, folder):
                    folder.weights.unlink(missing_ok=True)
    with TemporaryDirectory() as temporary:
        summary = study_summary(record, study_files(record, Path(temporary)))
        runner.mirror.parent(SEARCH_EXPERIMENT, record.study, summary)


def _machines(store: RunStore, trials: Sequence[Trial]) -> list[dict[str, dict[str, str]]]:
    """The distinct machines (hardware and versions) that trained a study's trials."""
    found: list[dict[str, dict[str, str]]] = []
    for trial in trials:
        measurement = store.folder(trial.run).measurement()
        if measurement is not None:
            machine = {"hardware": dict(measurement.hardware), "versions": dict(measurement.versions)}
            found += [machine] if machine not in found else []
    return found


def _is_only_of(study: str, folder: RunFolder) -> bool:
    """Whether only this study's search has requested a run."""
    header = folder.header()
    return header is not None and {(member.role, member.parent) for member in header.members} == {("trial", study)}


def read_study(study: StoredStudy, store: RunStore, driven: bool | None = None) -> StudyRecord:
    """The current record of a study; `driven`: whether a driver is running, if known.

    Machines are listed for those trials whose runs are in `store`.
    """
    trials = study.trials()
    state = state_of(study, trials, study.is_driven() if driven is None else driven)
    machines = _machines(store, trials)
    record = study_record(study.name, study.plan, study.budget, state, trials, study.tail, machines)
    return replace(record, guessing_error_percent=study.guessing_error_percent)


def state_of(study: StoredStudy, trials: Sequence[Trial], driven: bool) -> StudyState:
    """The state: "running" while a driver holds the study; afterwards it depends on whether the budget was spent."""
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


def stored_records(workspace: Workspace, url: str | None) -> Iterator[StudyRecord]:
    """The record of every study of a storage; none if its file does not exist yet."""
    for study in _stored(workspace, url):
        yield read_study(study, RunStore(workspace.runs))


def _stored(workspace: Workspace, url: str | None) -> Iterator[StoredStudy]:
    """Every study of a storage, except those that convstudy did not create completely."""
    url = storage_url(workspace, url)
    if not is_there(url):
        return
    with Studies(url, workspace.locks) as studies:
        for name in studies.names():
            with contextlib.suppress(UsageError):
                yield studies.open(name)


def list_studies(workspace: Workspace, url: str | None) -> list[dict[str, Any]]:
    """Every study of a storage that convstudy created: name, state, space, and number of counted trials."""
    rows = []
    for study in _stored(workspace, url):
        trials = study.trials()
        state = state_of(study, trials, study.is_driven())
        count = sum(trial.counted_at is not None for trial in trials)
        rows.append({"study": study.name, "state": state, "space": list(study.plan.space), "counted": count})
    return rows


def status(workspace: Workspace, name: str, url: str | None) -> StudyRecord:
    """The current record of a study, even while a driver is running."""
    url = storage_url(workspace, url)
    if not is_there(url):
        raise unknown_name("study", name, ())
    with Studies(url, workspace.locks) as studies:
        study = studies.open(name)
        return read_study(study, RunStore(workspace.runs))
