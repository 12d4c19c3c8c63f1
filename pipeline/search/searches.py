"""A search as a user asks for it: opened or begun, carried out, and written down."""

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
"""How long a search waits for another that opens its study; that takes less than a second."""
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
    """Carry a study to its budget (a new one, or one that is there) and return its record.

    Of weights, if any are kept, those of the front stay. `study_files` writes into a folder what MLflow shows of it.

    Raises UsageError, listing what differs, where the study of that name was made with another plan.
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
    """The study, opened or begun, and held; raises StorageError naming it while another process searches it."""
    with contextlib.ExitStack() as held:
        with only_one("begin-study", workspace.locks, BEGIN_SECONDS):  # two that begin one study would clash
            known = name in studies.names()
            if known and fresh:
                studies.remove(name)
            study = studies.open(name) if known and not fresh else studies.create(name, plan)
            in_force(study.plan, plan, name)
            held.enter_context(study.driven())
        yield study


def _check_protocol(name: str, plan: SearchPlan, trials: Iterable[Trial]) -> None:
    """Raise UsageError where today's version would train the study's networks otherwise, by the address of a run."""
    for trial in itertools.islice(trials, 1):
        now = spec_of(plan, trial.config)
        if now.hash != trial.run:
            raise UsageError(
                f"study {name} was trained by another version of convstudy (run {trial.run} then, {now.hash} by "
                f"protocol {now.protocol} now): give another --study, or --fresh to begin anew"
            )


def _complete_front(driver: Driver, runner: Runner) -> None:
    """Train members of the front again whose weights another search has removed, since they lay off its front."""
    for request in driver.front_requests():
        if not runner.holds(request):
            runner.submit(request)
    for _ in runner.outcomes():
        continue


def _show_in_mlflow(runner: Runner, record: StudyRecord, study_files: Callable[[StudyRecord, Path], Files]) -> None:
    """Give the study's parent run its summary, and the front's trials their weights; others' weights are removed.

    Those of runs that another study has asked for, too, stay: they may lie on its front.
    """
    for trial in record.trials:
        folder = runner.store.folder(trial.run)
        if trial.number in record.front:
            runner.mirror.finished(folder, on_front=True)
        else:
            with runner.store.headers_locked():  # nobody comes to want them meanwhile
                if _is_only_of(record.study, folder):
                    folder.weights.unlink(missing_ok=True)
    with TemporaryDirectory() as temporary:
        summary = study_summary(record, study_files(record, Path(temporary)))
        runner.mirror.parent(SEARCH_EXPERIMENT, record.study, summary)


def _machines(store: RunStore, trials: Sequence[Trial]) -> list[dict[str, dict[str, str]]]:
    """The hardware and versions with which a study's trials were trained, each once."""
    found: list[dict[str, dict[str, str]]] = []
    for trial in trials:
        measurement = store.folder(trial.run).measurement()
        if measurement is not None:
            machine = {"hardware": dict(measurement.hardware), "versions": dict(measurement.versions)}
            found += [machine] if machine not in found else []
    return found


def _is_only_of(study: str, folder: RunFolder) -> bool:
    """Whether no one but this study's search has asked for a run."""
    header = folder.header()
    return header is not None and {(member.role, member.parent) for member in header.members} == {("trial", study)}


def read_study(study: StoredStudy, store: RunStore, driven: bool | None = None) -> StudyRecord:
    """The record of a study as it stands; `driven` says, where it is known, whether a driver is at work.

    The machines are those of its trials that lie in `store`.
    """
    trials = study.trials()
    state = state_of(study, trials, study.is_driven() if driven is None else driven)
    machines = _machines(store, trials)
    record = study_record(study.name, study.plan, study.budget, state, trials, study.tail, machines)
    return replace(record, guessing_error_percent=study.guessing_error_percent)


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


def stored_records(workspace: Workspace, url: str | None) -> Iterator[StudyRecord]:
    """The record of every study of a storage; none where its file does not exist yet."""
    for study in _stored(workspace, url):
        yield read_study(study, RunStore(workspace.runs))


def _stored(workspace: Workspace, url: str | None) -> Iterator[StoredStudy]:
    """Every study of a storage, but those that convstudy did not make or whose creation was cut off."""
    url = storage_url(workspace, url)
    if not is_there(url):
        return
    with Studies(url, workspace.locks) as studies:
        for name in studies.names():
            with contextlib.suppress(UsageError):
                yield studies.open(name)


def list_studies(workspace: Workspace, url: str | None) -> list[dict[str, Any]]:
    """Every study of a storage that convstudy made: name, state, space, how many trials count."""
    rows = []
    for study in _stored(workspace, url):
        trials = study.trials()
        state = state_of(study, trials, study.is_driven())
        count = sum(trial.counted_at is not None for trial in trials)
        rows.append({"study": study.name, "state": state, "space": list(study.plan.space), "counted": count})
    return rows


def status(workspace: Workspace, name: str, url: str | None) -> StudyRecord:
    """The record of a study as it stands, whether a driver is at work or not."""
    url = storage_url(workspace, url)
    if not is_there(url):
        raise unknown_name("study", name, ())
    with Studies(url, workspace.locks) as studies:
        study = studies.open(name)
        return read_study(study, RunStore(workspace.runs))
