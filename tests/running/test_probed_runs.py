"""Probes as they are asked for: taken once, kept with the run, and made up for where the weights are gone."""

from dataclasses import replace
from pathlib import Path

from small_plans import manifest_of, smoke_plan

from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.running.campaign import run_plan
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.running.plans import RunPlan
from pipeline.running.reproduce import reproduce
from pipeline.workspace import Workspace


def plan_of(workspace: Workspace) -> RunPlan:
    plan = smoke_plan(workspace, seeds=(1,), keep_weights=False, test=False)
    (network,) = plan.networks
    return replace(plan, networks=(replace(network, rates=(0.02,)),))


def carried_out(workspace: Workspace, plan: RunPlan) -> tuple[GroupRecord, list[Path]]:
    """The record, and the weights that were written on the way."""
    with open_runner(
        workspace, manifest_of(workspace), "cpu", Display("test", 1, quiet=True), RunnerOptions(1)
    ) as runner:
        record = reproduce(plan, manifest_of(workspace), runner, "cpu")
    return record, sorted(workspace.runs.glob("*/weights.safetensors"))


def test_probes_are_taken_once_and_do_not_change_the_run(study: Workspace) -> None:
    plain = run_plan(study, plan_of(study), "test", quiet=True)
    (run,) = plain.networks[0].runs
    assert run.probes == {} and run.test_error_percent is None
    store = RunStore(study.runs)
    first = store.folder(run.run).result()
    probing = replace(plan_of(study), probes=("shift",))
    record, weights = carried_out(study, probing)  # the weights were not kept: trained again, to the same ones
    (probed,) = record.networks[0].runs
    assert set(probed.probes) == {"shift"} and set(probed.probes["shift"]) == {"1 pixels", "2 pixels", "4 pixels"}
    assert store.folder(run.run).result() == first and not weights
    measured = store.folder(run.run).measurement()
    again, _ = carried_out(study, probing)
    assert again == record and store.folder(run.run).measurement() == measured
    more, _ = carried_out(study, replace(plan_of(study), probes=("training error", "shift")))
    (both,) = more.networks[0].runs
    assert both.probes["shift"] == probed.probes["shift"] and set(both.probes) == {"shift", "training error"}
