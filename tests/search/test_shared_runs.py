"""A study in a run store where another one trained the same networks further: it is the same study."""

from dataclasses import replace
from pathlib import Path

import pytest
from table_search import TableExecutor, run_table, searched, table_plan

from pipeline.data.manifest import Manifest
from pipeline.evidence.records import Membership
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import Trial
from pipeline.running.jobs import Job
from pipeline.running.outcomes import Outcome, describe
from pipeline.running.requests import Request
from pipeline.search.candidates import spec_of
from pipeline.search.summary import images_of, images_seen

LAST_EPOCH = 4


class Diverging(TableExecutor):
    """Half of the networks diverge in their fifth epoch."""

    def work(self, job: Job) -> None:
        super().work(job)
        folder = RunStore(job.store).folder(job.run)
        result = folder.result()
        assert result is not None
        if int(job.run[0], 16) < 8 and len(result.history) > LAST_EPOCH:
            history = result.history[:LAST_EPOCH]
            reason = "diverged: loss is nan"
            folder.write(replace(result, state="failed", reason=reason, history=history, weights_sha256=None))


def alike(trial: Trial) -> Trial:
    return replace(trial, train_seconds=round(trial.train_seconds, 6))


def test_what_another_study_knows_of_its_networks_changes_nothing(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, sampler="random")
    alone, _ = searched(tmp_path / "alone", manifest, plan, 12, Diverging(1))
    whole = replace(plan, rungs=plan.rungs[-1:], reduction=None)
    run_table(tmp_path / "beside", manifest, whole, 12, Diverging(1), name="whole").close()
    beside, executor = searched(tmp_path / "beside", manifest, plan, 12, Diverging(1))
    assert list(map(alike, beside)) == list(map(alike, alone)) and not executor.trained
    states = [(trial.state, len(trial.rungs)) for trial in alone]
    assert ("failed", 2) in states and ("stopped", 1) in states and ("complete", 3) in states


def test_a_network_that_diverged_has_seen_the_images_up_to_then(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, sampler="random", halving=False)
    trials, _ = searched(tmp_path, manifest, plan, 8, Diverging(1))
    seen = {trial.state: images_seen(trial, plan) for trial in trials}
    assert seen == {"complete": images_of(plan, 9), "failed": images_of(plan, LAST_EPOCH + 1)}
    assert {trial.state: trial.train_seconds for trial in trials} == pytest.approx({"complete": 9.0, "failed": 5.0})


def test_of_a_run_that_was_found_the_error_is_told_that_was_asked_for(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, sampler="random", halving=False)
    (trial,), _ = searched(tmp_path, manifest, plan, 1)
    store = RunStore(tmp_path / "runs")
    request = Request(spec_of(plan, trial.config), "trial 0", Membership("search", "study", "trial"), until=1)
    folder = store.folder(trial.run)
    result = folder.result()
    assert result is not None
    told = describe(Outcome(request, folder, "stopped", None, trained=False))
    assert f"1 of 9 epochs: validation error {result.history[0].validation_error_percent:.2f} %" in told
