"""Costs that are measured on built networks: once each, kept by the study, and never for long while others train."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from processes import wait_until
from table_search import TableExecutor, run_table, table_plan

import search_spaces
from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest
from pipeline.evidence.study_records import Rung
from pipeline.files import canonical_json
from pipeline.running.jobs import Job
from pipeline.search.candidates import Candidates
from pipeline.search.driver import MEASURED_AT_ONCE
from pipeline.search.gate import described
from pipeline.search.measured_costs import measured_once, times_networks


def test_trainings_are_not_held_up_by_measurements_without_end(tmp_path: Path, manifest: Manifest) -> None:
    """While one trains no more than so many candidates are measured; then the search goes on where it was left."""
    limits = Limits(macs=2_000_000, latency_seconds=0.5)
    plan = replace(table_plan(manifest, "lenet", limits=Limits(macs=2_000_000), sampler="random"), limits=limits)
    measured: list[str] = []
    measured_by_then: list[int] = []

    def measure(design: search_spaces.Design) -> dict[str, float]:
        measured.append(canonical_json(described(design)))
        return {"latency_seconds": 0.1 if len(measured) in (1, 100, 150) else 1.0}

    class Watched(TableExecutor):
        def work(self, job: Job) -> None:
            wait_until(lambda: len(measured) > MEASURED_AT_ONCE)
            time.sleep(0.1)  # in which nothing more is to be measured
            measured_by_then.append(len(measured))
            super().work(job)

    studies = run_table(tmp_path, manifest, plan, 3, Watched(2), measure=measure)
    trials = studies.open("study").trials()
    studies.close()
    assert trials[0].refused == 0 and trials[1].refused >= 98 and trials[2].refused >= 49
    assert measured_by_then[0] == 1 + MEASURED_AT_ONCE
    assert len(measured) == len(set(measured)) == 150


def test_a_network_is_measured_once_and_stays_over_its_limit(manifest: Manifest) -> None:
    """Timings that fall at every try would let each network pass sooner or later."""
    limits = Limits(macs=2_000_000, latency_seconds=0.5)
    plan = replace(table_plan(manifest, "lenet", limits=Limits(macs=2_000_000), sampler="random"), limits=limits)
    measured: list[str] = []

    def measure(design: search_spaces.Design) -> dict[str, float]:
        measured.append(canonical_json(described(design)))
        return {"latency_seconds": 1.0 if len(measured) < 300 else 0.1}

    candidates = Candidates(plan, search_spaces.space(plan.space), measured_once(measure, {}))
    found = candidates.next(0)
    assert found is not None and len(measured) == len(set(measured)) == 300
    assert candidates.refused >= 299


def test_a_driver_that_goes_on_keeps_to_what_was_measured_before(tmp_path: Path, manifest: Manifest) -> None:
    limits = Limits(macs=2_000_000, latency_seconds=0.5)
    plan = replace(table_plan(manifest, "lenet", limits=Limits(macs=2_000_000), sampler="random"), limits=limits)
    refused: list[str] = []

    def measure_slow(design: search_spaces.Design) -> dict[str, float]:
        if len(refused) == 20:
            raise RuntimeError("cut off")
        refused.append(canonical_json(described(design)))
        return {"latency_seconds": 1.0}

    with pytest.raises(RuntimeError, match="cut off"):
        run_table(tmp_path, manifest, plan, 2, TableExecutor(1), measure=measure_slow)
    measured: list[str] = []

    def measure_fast(design: search_spaces.Design) -> dict[str, float]:
        measured.append(canonical_json(described(design)))
        return {"latency_seconds": 0.1}

    studies = run_table(tmp_path, manifest, plan, 2, TableExecutor(1), measure=measure_fast)
    first, second = studies.open("study").trials()
    studies.close()
    assert first.refused >= 20  # it drew the same again, and refused them without measuring
    assert measured == [canonical_json(trial.config) for trial in (first, second)] and not set(measured) & set(refused)


def test_a_trial_of_another_study_over_a_measured_limit_is_no_example(manifest: Manifest) -> None:
    plan = table_plan(manifest, "lenet", sampler="random")
    teacher = Candidates(plan, search_spaces.space(plan.space)).next(0)
    assert teacher is not None
    slow = replace(
        teacher, costs={**teacher.costs, "latency_seconds": 1.0}, rungs=(Rung(9, 20.0, 1),), state="complete"
    )
    limited = replace(plan, limits=Limits({**plan.limits.root, "latency_seconds": 0.001}))
    (known,) = Candidates(limited, search_spaces.space(plan.space), warm=[slow]).view.study.get_trials()
    assert known.constraints["latency_seconds"] > 0 > known.constraints["macs"]


def test_a_search_trains_alone_where_a_timed_cost_is_limited(manifest: Manifest) -> None:
    plan = table_plan(manifest, "lenet", limits=Limits(macs=2_000_000), sampler="random")
    assert not times_networks(plan)
    assert times_networks(replace(plan, limits=Limits(macs=2_000_000, latency_seconds=0.5)))
