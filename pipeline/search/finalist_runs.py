"""The finalists of a study: finds the study, its data and its random search, then trains and compares."""

from collections import Counter
from dataclasses import replace

from pipeline.data.manifest import load_manifest
from pipeline.errors import UsageError, unknown_name
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import Budget, SearchPlan, StudyRecord
from pipeline.running.display import ALONE, Display, StudyPart
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.search.estimate import search_workers
from pipeline.search.finalists import finalists
from pipeline.search.measured_costs import measured_costs, times_networks
from pipeline.search.plans import default_name
from pipeline.search.searches import KEEPING_WEIGHTS, read_study, search
from pipeline.search.storage import is_there, storage_url
from pipeline.search.studies import Studies
from pipeline.search.summary import images_of
from pipeline.settings import FinalistsSettings
from pipeline.workspace import Workspace


def run_finalists(
    workspace: Workspace,
    name: str,
    wanted: FinalistsSettings,
    *,
    url: str | None = None,
    options: RunnerOptions = KEEPING_WEIGHTS,
    quiet: bool = False,
) -> FinalistsRecord:
    """Train the finalists of a study; raises UsageError while the study is being searched."""
    url = storage_url(workspace, url)
    if not is_there(url):
        raise unknown_name("study", name, ())
    with Studies(url, workspace.locks) as studies:
        study = studies.open(name)
        if study.is_driven():
            raise UsageError(f"study {name} is still being searched")
        record = read_study(study, RunStore(workspace.runs), driven=False)
        return compare_finalists(workspace, record, study.plan, wanted, url=url, options=options, quiet=quiet)


def compare_finalists(
    workspace: Workspace,
    study: StudyRecord,
    plan: SearchPlan,
    wanted: FinalistsSettings,
    *,
    url: str | None = None,
    options: RunnerOptions = KEEPING_WEIGHTS,
    quiet: bool = False,
    part: StudyPart = ALONE,
) -> FinalistsRecord:
    """Train the finalists of a study and their baselines, and compare them.

    A random search of the same compute runs first, if it is wanted.

    Raises UsageError if no trial is complete, or if the data are not the study's.
    """
    name = study.study
    if not study.complete:
        raise _nothing_finished(study)
    folder = options.data_folder or workspace.prepared_data / plan.data
    manifest = load_manifest(folder)
    if manifest.fingerprint != plan.data_fingerprint:
        raise UsageError(f"study {name} was searched on other data than {folder} holds now: prepare the earlier data")
    rivals = None
    if wanted.random_search:
        uniform, budget = _random_search(plan, study)
        called = f"{name}-random-{default_name(uniform)[-8:]}"  # another plan is another search
        rivals = search(workspace, manifest, uniform, budget, name=called, url=url, options=options, quiet=quiet)
    display = Display(f"finalists of {name}", 0, quiet=quiet, part=part)
    options = replace(options, workers=options.workers or search_workers(plan, references=True))
    with open_runner(workspace, manifest, plan.device, display, options, times_networks(plan)) as runner:
        measure = measured_costs(plan, runner.paused)
        return finalists(study, plan, wanted, runner, rivals, measure, display.expect)


def _nothing_finished(study: StudyRecord) -> UsageError:
    """The error for a study without a fully trained network; it says what to do next."""
    problem = f"study {study.study} has no network that was trained in full"
    reasons = Counter(trial.reason for trial in study.trials if trial.state == "failed")
    if reasons and sum(reasons.values()) == len(study.trials):
        ((reason, _),) = reasons.most_common(1)
        return UsageError(
            f"{problem}: all {study.counted} trials failed; most common reason: {reason}; change what it "
            "names, then search with --fresh"
        )
    return UsageError(
        f"{problem}, of {study.counted} counted: run the same `convstudy search` again to resume, with more --trials "
        f"or --hours if its budget is spent; `convstudy status {study.study}` shows its progress"
    )


def _random_search(plan: SearchPlan, study: StudyRecord) -> tuple[SearchPlan, Budget]:
    """The plan and budget of a random search that trains in full, on as many training images as the search saw."""
    epochs = plan.recipe.epochs
    uniform = replace(plan, sampler="random", rungs=(epochs,), reduction=None, warm_start=None)
    return uniform, Budget(trials=max(1, study.compute.train_images_seen // images_of(plan, epochs)))
