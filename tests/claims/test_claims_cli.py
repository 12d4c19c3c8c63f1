"""`convstudy claims` and `convstudy experiment` as a user types them, and DVC's stages, with real trainings."""

import json
import shutil
from dataclasses import replace

import pytest
from conftest import CHECKOUT
from small_claims import claimed as claimed
from verbs import called, json_of, refused

from pipeline.claims.catalogue import catalogue_of
from pipeline.claims.claim_records import check_record, judged_evidence
from pipeline.claims.verdicts import ClaimVerdict
from pipeline.data.manifest import load_manifest
from pipeline.errors import RunsFailedError, UsageError
from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.files import read_json, write_json
from pipeline.running.plans import RunPlan
from pipeline.running.published import published_runs
from pipeline.running.reproduce import check_final
from pipeline.schema import parse, read_record, to_json
from pipeline.stages import experiment, judge, plan, timing
from pipeline.workspace import Workspace


def test_an_experiment_is_run_judged_and_shown(claimed: Workspace) -> None:
    (before,) = json_of(claimed, "claims", "B2")
    assert before["verdict"] == "undecided" and before["parts"][0]["effect"] is None
    record = json_of(claimed, "experiment", "lenets", "--quiet")
    assert [network["name"] for network in record["networks"]] == ["lenets.plain", "lenets.norm"]
    assert all(run["test_error_percent"] is None for network in record["networks"] for run in network["runs"])
    verdicts = json_of(claimed, "claims")
    assert [claim["id"] for claim in verdicts] == ["B2", "B9", "P3", "A1"]
    contract = {"id", "theme", "primary", "statement", "source", "verdict", "parts", "evidence"}
    for claim in verdicts:
        assert contract <= set(claim)
        for part in claim["parts"]:
            assert {"kind", "measure", "verdict", "effect", "unit", "interval", "n", "scale"} <= set(part)
    for part in verdicts[0]["parts"]:
        assert part["n"] == 2 and part["interval"][0] <= part["effect"] <= part["interval"][1]
    said = called(claimed, "claims", "B2")
    assert "points" in said and "(n=2, adjusted p" in said and "smoke" in said and "evidence: experiment lenets" in said
    assert called(claimed, "claims", "b2") == said
    assert "A1     holds" in called(claimed, "claims")
    again = called(claimed, "experiment", "lenets")
    assert "B2, error: " in again and "seeds would find 1 points" in again and "lenets.norm" in again
    runs = len(list(RunStore(claimed.runs)))
    more = json_of(claimed, "experiment", "lenets", "--seeds", "3", "--quiet")
    assert [run["seed"] for run in more["networks"][0]["runs"]] == [1, 2, 3]
    assert len(list(RunStore(claimed.runs))) == runs + 2  # only the new seed of each arm was trained


def test_populations_are_trained_and_compared(claimed: Workspace) -> None:
    record = json_of(claimed, "experiment", "spaces", "--quiet")
    names = [f"spaces.{space} {number}" for space in ("free", "growing") for number in (1, 2, 3)]
    assert [network["name"] for network in record["networks"]] == names
    assert all(network["macs"] <= 1_000_000 and len(network["runs"]) == 1 for network in record["networks"])
    (claim,) = json_of(claimed, "claims", "P3")
    (part,) = claim["parts"]
    assert part["n"] == 3 and 0 <= part["effect"] <= 1 and part["against"] == 0.5
    assert claim["evidence"] == ["experiment spaces"]


def test_a_timing_is_taken_and_judged(claimed: Workspace) -> None:
    assert "3 rounds" in called(claimed, "experiment", "norms", "--dry-run")
    said = called(claimed, "experiment", "norms")
    assert "norms: round 3 of 3" in said and "B9, seconds: " in said
    record = json_of(claimed, "experiment", "norms", "--quiet")
    for arm in record["arms"].values():
        assert len(arm["training_step_seconds"]) == len(arm["inference_seconds"]) == 3 and not arm["peak_memory_bytes"]
    assert record["arms"]["framework"]["macs"] == record["arms"]["from scratch"]["macs"]
    assert (record["arms"]["layer"]["params"], record["arms"]["layer"]["macs"]) == (288, 288 * 14**2)
    (claim,) = json_of(claimed, "claims", "B9")
    assert claim["parts"][0]["n"] == 3 and claim["evidence"] == ["timing norms"]
    assert "has no rounds for the profile smoke: full" in refused(claimed, "experiment", "later")
    claims = claimed.root / "reports" / "claims.yaml"
    for what, other, why in (
        ("batch_size: 16", "batch_size: 8", "was taken with batches of 16, not 8"),
        ("rounds: {smoke: 3}", "rounds: {smoke: 4}", "fewer rounds than the 4 of smoke"),
        ("rounds: {smoke: 3}", "rounds: {smoke: 3}\n    memory: true", "fewer rounds than the 3 of smoke"),
        (
            "{channels: 8, groups: 2}",
            "{channels: 8, groups: 4}",
            "layer of timing norms was measured on another network",
        ),
        (", variant: batch norm from scratch", "", "from scratch of timing norms was recorded as"),
    ):
        text = claims.read_text()
        claims.write_text(text.replace(what, other))
        said = called(claimed, "claims")
        assert "left out: " in said and why in said and json_of(claimed, "claims", "B9")[0]["parts"][0]["n"] is None
        claims.write_text(text)


def test_the_peak_of_memory_is_measured_in_fresh_processes(claimed: Workspace) -> None:
    arms = json_of(claimed, "experiment", "memories", "--quiet")["arms"]
    peaks = {name: arm["peak_memory_bytes"] for name, arm in arms.items()}
    assert [len(found) for found in peaks.values()] == [2, 2]
    assert min(peaks["network"]) > max(peaks["layer"]) > 0


def test_unknown_claims_and_experiments_are_refused_with_the_nearest(claimed: Workspace) -> None:
    assert "did you mean 'B2'" in refused(claimed, "claims", "B22")
    assert "did you mean 'lenets'" in refused(claimed, "experiment", "lenet")
    assert "has no size for the profile smoke: full" in refused(claimed, "experiment", "elsewhere")


def test_the_stages_train_judge_and_reword_without_training(claimed: Workspace) -> None:
    plan.main()
    experiment.main()
    timing.main()
    judge.main()
    verdicts = [parse(ClaimVerdict, value, "claims") for value in read_json(claimed.results / "claims.json")]
    assert [claim.id for claim in verdicts] == ["B2", "B9", "P3", "A1"] and verdicts[0].parts[0].n == 2
    elsewhere = read_record(GroupRecord, claimed.results / "experiments" / "lenets.json")
    by_hand = claimed.by_hand / "experiments" / "elsewhere.json"  # run with another profile than the study's
    write_json(by_hand, to_json(replace(elsewhere, group="elsewhere", profile="full")))
    assert set(judged_evidence(claimed, claimed.results, catalogue_of(claimed)).experiments) == {"lenets", "spaces"}
    plans = {path.name: path.read_bytes() for path in claimed.plans.rglob("*.json")}
    claims = claimed.root / "reports" / "claims.yaml"
    claims.write_text(claims.read_text().replace("Batch normalisation lowers the error.", "It helps."))
    plan.main()
    assert {path.name: path.read_bytes() for path in claimed.plans.rglob("*.json")} == plans
    judge.main()
    assert read_json(claimed.results / "claims.json")[0]["statement"] == "It helps."


def test_a_record_of_something_else_is_named(claimed: Workspace) -> None:
    plan.main()
    experiment.main()
    wanted = read_record(RunPlan, claimed.plans / "experiments" / "lenets.json")
    path = claimed.results / "experiments" / "lenets.json"
    record = read_record(GroupRecord, path)
    manifest = load_manifest(claimed.prepared_data / "fashion-mnist")
    check_record(wanted, record, manifest)
    for changed, why in (
        (
            {"recipe": {**to_json(record.networks[0].recipe), "epochs": 2}},
            "lenets.plain was recorded with another recipe",
        ),
        ({"config": {"norm": True}}, "lenets.plain was recorded with another Config"),
        ({"runs": to_json(record.networks[0].runs)[:1]}, "lacks seed 2"),
    ):
        value = json.loads(path.read_text())
        value["networks"][0].update(changed)
        with pytest.raises(UsageError, match=why):
            check_record(wanted, parse(GroupRecord, value, "record"), manifest)
    with pytest.raises(UsageError, match="of other data"):
        check_record(wanted, replace(record, data=replace(record.data, fingerprint="another")), manifest)
    value = json.loads(path.read_text())
    value["networks"][0]["recipe"]["epochs"] = 2
    write_json(path, value)
    with pytest.raises(UsageError, match="another recipe"):
        judge.main()


def test_the_projects_own_claims_can_be_shown(study: Workspace) -> None:
    (study.root / "reports").mkdir()
    shutil.copy(CHECKOUT / "reports" / "claims.yaml", study.root / "reports" / "claims.yaml")
    assert "contradicted" in called(study, "claims", "A2") and "16" in called(study, "claims", "A2")


def test_a_run_that_was_lost_is_no_evidence(claimed: Workspace) -> None:
    json_of(claimed, "experiment", "lenets", "--quiet")
    plan.main()
    lenets = read_record(RunPlan, claimed.plans / "experiments" / "lenets.json")
    manifest = load_manifest(claimed.prepared_data / "fashion-mnist")
    record = read_record(GroupRecord, claimed.by_hand / "experiments" / "lenets.json")
    check_record(lenets, record, manifest)
    check_final(record)
    arm = record.networks[0]
    gone = replace(arm.runs[0], state="failed", reason="out_of_memory", history=())
    lost = replace(record, networks=(replace(arm, runs=(gone, *arm.runs[1:])), *record.networks[1:]))
    with pytest.raises(UsageError, match="lacks seed 1: run the experiment again"):
        check_record(lenets, lost, manifest)
    with pytest.raises(RunsFailedError, match=r"1 runs of lenets were lost \(out_of_memory\)"):
        check_final(lost)
    taken_over = published_runs(lenets.networks[0], lenets, manifest, "cpu", lost)
    assert {run.seed for run in taken_over.runs.values()} == {2}
    diverged = replace(gone, reason="diverged: loss is nan")
    check_record(
        lenets, replace(record, networks=(replace(arm, runs=(diverged, arm.runs[1])), record.networks[1])), manifest
    )
