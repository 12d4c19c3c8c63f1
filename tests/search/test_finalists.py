"""Finalists whose trainings fail: a diverged one counts at chance level, a lost one is left out, and notes say so."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from table_search import TableExecutor, record_of, searched, table_plan

from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest
from pipeline.errors import UsageError
from pipeline.evidence.finalist_records import FinalistComparison, FinalistsRecord
from pipeline.evidence.records import Epoch, Result, RunSpec, TestScore
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import TrialRecord, TrialState
from pipeline.running.outcomes import Outcome
from pipeline.running.requests import Request
from pipeline.running.runner import Runner
from pipeline.search.baselines import rivals_of
from pipeline.search.finalist_runs import compare_finalists
from pipeline.search.finalists import finalists
from pipeline.search.measured_costs import measured_costs
from pipeline.search.summary import study_record
from pipeline.settings import FinalistsSettings
from pipeline.workspace import Workspace

Fate = Callable[[RunSpec], str | None]
"""Why a training fails, or None."""


class FatedRunner:
    """Ends every run at once: at a test error of 10 % and its seed in tenths, or by its fate."""

    def __init__(self, store: RunStore, fate: Fate) -> None:
        self._store, self._fate = store, fate
        self._requests: list[Request] = []

    def submit(self, request: Request) -> None:
        self._requests.append(request)

    def outcomes(self) -> Iterator[Outcome]:
        for request in self._requests:
            folder = self._store.register(request.spec, request.name, "data", request.member)
            reason = self._fate(request.spec)
            if reason is None:
                error = 10 + request.spec.seed / 10
                folder.write(Result("result/1", folder.run, "complete", None, (Epoch(1, 1, 1, error, 0.1, 1),), "0"))
                folder.write(TestScore("test/1", folder.run, error, 1.0, 100, "test", "0"))
            yield Outcome(request, folder, "failed" if reason else "complete", reason)


def test_a_reference_beyond_the_limits_is_timed_all_the_same(manifest: Manifest) -> None:
    limits = Limits(macs=5_000_000, train_memory_bytes=1)
    plan = table_plan(manifest, "lenet", objectives=("error", "latency"), limits=Limits(macs=5_000_000))
    member = TrialRecord(
        number=0, state="complete", config={"family": "lenet", "config": {}}, values={}, validation_error_percent=None,
        rungs=(), attempts=1, reason=None, train_images_seen=0, train_seconds=0.0, run="run", drawn_by="random",
        latency_seconds=1e-9, macs=1,
    )  # fmt: skip
    wanted = FinalistsSettings(seeds=2, members=1, random_networks=0, random_search=False)
    limited = replace(plan, limits=limits)
    rivals, _ = rivals_of(limited, [member], wanted, (1, 2), None, measured_costs(limited))
    assert [rival.against for rival in rivals] == ["reference"]


def test_trainings_that_fail_are_told_and_cannot_make_a_member_better(tmp_path: Path, manifest: Manifest) -> None:
    plan = table_plan(manifest, halving=False)
    searched(tmp_path / "study", manifest, plan, 6, TableExecutor(1))
    record = record_of(tmp_path / "study")

    def compared(name: str, fate: Fate) -> FinalistsRecord:
        wanted = FinalistsSettings(seeds=3, members=1, random_networks=2, random_search=False)
        return finalists(record, plan, wanted, cast(Runner, FatedRunner(RunStore(tmp_path / name), fate)))

    whole = compared("whole", lambda spec: None)
    assert not any("guessing (" in note for note in whole.notes)
    told = record
    record = replace(record, guessing_error_percent=0.0)
    assert any("no better than guessing (an error of 0.00 %" in n for n in compared("g", lambda spec: None).notes)
    record = told
    ours = whole.members[0]
    record = replace(record, trials=record.trials[::-1])  # trials are looked up by number
    assert compared("again", lambda spec: None) == whole
    assert whole.train_seconds == 0  # nothing was measured of these
    assert whole.lost == 0 and _against_reference(whole).difference == 0 and _against_reference(whole).n == 3

    def fails(spec: RunSpec) -> bool:
        return {"family": spec.family, "config": spec.config} == ours.config and spec.seed == 2

    diverged = compared("diverged", lambda spec: "diverged: loss is nan at step 3" if fails(spec) else None)
    assert diverged.lost == 0
    assert f"1 of 3 trainings of trial {ours.trial} diverged and are counted at chance level" in diverged.notes
    assert _against_reference(diverged).n == 3
    assert _against_reference(diverged).difference == pytest.approx((90 - 10.2) / 3)
    lost = compared("lost", lambda spec: "worker hung" if fails(spec) else None)
    assert lost.lost == 1 and _against_reference(lost).n == 2
    assert f"1 of 3 trainings of trial {ours.trial} were lost (worker hung) and are not compared" in lost.notes
    for found in (diverged, lost):
        assert found.members[0].test_error_percent is not None and found.members[0].test_error_percent.n == 2


def _against_reference(record: FinalistsRecord) -> FinalistComparison:
    (found,) = (comparison for comparison in record.comparisons if comparison.against == "reference")
    return found


@pytest.mark.parametrize(
    ("trials", "advice"),
    [
        ((), "of 0 counted: run the same `convstudy search` again to resume, .*`convstudy status study`"),
        (("stopped",), "of 1 counted: run the same `convstudy search` again to resume, with more --trials or"),
        (("failed",), "all 1 trials failed; most common reason: diverged: loss is nan; .* search with --fresh"),
        (("failed", "stopped"), "of 2 counted: run the same `convstudy search` again"),
    ],
)
def test_a_study_without_a_finished_network_says_what_to_do(
    study: Workspace, manifest: Manifest, trials: tuple[TrialState, ...], advice: str
) -> None:
    plan = table_plan(manifest)
    empty = study_record("study", plan, None, "interrupted", (), (0, 0))
    ended = [
        TrialRecord(
            number=number, state=state, config={}, values={}, validation_error_percent=None, rungs=(), attempts=1,
            reason="diverged: loss is nan" if state == "failed" else None,
            train_images_seen=0, train_seconds=0.0, run="run", drawn_by="random",
        )
        for number, state in enumerate(trials)
    ]  # fmt: skip
    record = replace(empty, trials=tuple(ended), counted=len(ended))
    wanted = FinalistsSettings(seeds=2, members=1, random_networks=0, random_search=False)
    with pytest.raises(UsageError, match=advice):
        compare_finalists(study, record, plan, wanted)
