"""Evidence that is published: what is taken over from it, what is judged by, what is written, with real trainings."""

import shutil

import pytest
from conftest import CHECKOUT
from small_claims import claimed as claimed
from verbs import called, json_of

from pipeline.evidence.records import GroupRecord
from pipeline.evidence.store import RunStore
from pipeline.publishing.claims import publish_claims, report_claims
from pipeline.schema import read_record
from pipeline.workspace import Workspace


def test_published_runs_are_taken_over_and_only_the_rest_is_trained(claimed: Workspace) -> None:
    claims = claimed.root / "reports" / "claims.yaml"
    full = "full: {seeds: 3, core_hours: 0.01}"
    text = claims.read_text().replace("rates: [0.1]", "rates: [0.1, 0.3]")
    claims.write_text(text.replace(full, f"{full}, gpu: {{seeds: 4, core_hours: 0.01}}"))
    first = json_of(claimed, "experiment", "lenets", "--quiet")
    published = claimed.published / "claims" / "experiments" / "lenets.json"
    published.parent.mkdir(parents=True)
    shutil.move(claimed.by_hand / "experiments" / "lenets.json", published)
    shutil.rmtree(claimed.runs)
    assert "from published records, made elsewhere: lenets" in called(claimed, "claims")
    again = json_of(claimed, "experiment", "lenets", "--published", "--quiet")
    assert not list(RunStore(claimed.runs))
    for one, other in zip(again["networks"], first["networks"], strict=True):
        assert (one["runs"], one["rates"], one["recipe"]) == (other["runs"], other["rates"], other["recipe"])
        assert one["flags"][-1] == "2 of 2 seeds published, made elsewhere"
    more = json_of(claimed, "experiment", "lenets", "--published", "--seeds", "3", "--quiet")
    assert [run["seed"] for run in more["networks"][0]["runs"]] == [1, 2, 3]
    assert len(list(RunStore(claimed.runs))) == 2
    claims.write_text(claims.read_text().replace("rates: [0.1, 0.3]", "rates: [0.1, 0.2]"))
    json_of(claimed, "experiment", "lenets", "--published", "--quiet")  # another grid: the rate is chosen anew
    assert len(list(RunStore(claimed.runs))) >= 2 + 2 * 2


def test_only_whole_evidence_of_the_full_profile_is_published_and_judged_by(
    claimed: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = claimed.published / "claims"
    json_of(claimed, "experiment", "lenets", "--quiet")  # the profile smoke: no evidence
    by_smoke = {claim.id: claim for claim in publish_claims(claimed)}
    assert by_smoke["A1"].verdict == "holds" and by_smoke["B2"].parts[0].n is None
    assert not (folder / "experiments").exists()
    json_of(claimed, "experiment", "lenets", "--profile", "full", "--seeds", "2", "--quiet")
    part_of_it = {claim.id: claim for claim in publish_claims(claimed)}
    assert (folder / "unfinished" / "lenets.json").exists() and part_of_it["B2"].parts[0].n is None
    assert "not used for verdicts yet: the record of lenets.plain lacks seed 3" in capsys.readouterr().out
    assert "left out: the record of lenets.plain lacks seed 3" in called(claimed, "claims")
    json_of(claimed, "experiment", "lenets", "--profile", "full", "--quiet")
    whole = {claim.id: claim for claim in publish_claims(claimed)}
    assert whole["B2"].parts[0].n == 3
    assert (folder / "experiments" / "lenets.json").exists() and not (folder / "unfinished" / "lenets.json").exists()
    json_of(claimed, "experiment", "lenets", "--profile", "full", "--seeds", "4", "--quiet")
    assert "left out: seeds of lenets beyond the 3 planned ones" in called(claimed, "claims")
    assert json_of(claimed, "claims", "B2")[0]["parts"][0]["n"] == 3
    json_of(claimed, "experiment", "lenets", "--quiet")  # a look by the profile smoke, with two seeds
    assert json_of(claimed, "claims", "B2")[0]["parts"][0]["n"] == 3
    assert "from published records, made elsewhere: lenets" in called(claimed, "claims")
    claims = claimed.root / "reports" / "claims.yaml"
    stated = claims.read_text()
    elsewhere = Workspace(claimed.root.parent / "elsewhere")  # published records alone, and no prepared data
    shutil.copytree(claimed.published, elsewhere.published)
    shutil.copy(claimed.params_file, elsewhere.params_file)
    for text, n in ((stated, 3), (stated.replace("epochs: 1", "epochs: 7"), None)):
        (elsewhere.root / "reports" / "claims.yaml").write_text(text)
        assert json_of(elsewhere, "claims", "B2")[0]["parts"][0]["n"] == n
    assert "published: lenets.plain was recorded with another recipe" in called(elsewhere, "claims")
    claims.write_text(stated.replace("full: {seeds: 3", "full: {seeds: 5"))
    again = {claim.id: claim for claim in publish_claims(claimed)}
    assert (folder / "unfinished" / "lenets.json").exists() and again["B2"].parts[0].n is None
    claims.write_text(claims.read_text().replace("full: {seeds: 5", "full: {seeds: 3"))
    publish_claims(claimed)
    shutil.copytree(CHECKOUT / "reports" / "published" / "quick" / "runs", claimed.published / "quick" / "runs")
    report_claims(claimed)
    for text in ((folder / name).read_text() for name in ("REPORT.md", "report.html")):
        assert "Batch normalisation lowers the error." in text and "3 seeds" in text and "googlenet-small" in text
    assert {path.suffix for path in folder.iterdir() if path.is_file()} == {".json", ".md", ".html"}


def test_of_an_experiment_that_was_interrupted_finished_runs_are_published(claimed: Workspace) -> None:
    claims = claimed.root / "reports" / "claims.yaml"
    claims.write_text(claims.read_text().replace("rates: [0.1]", "rates: [0.1, 0.3]"))
    json_of(claimed, "experiment", "lenets", "--profile", "full", "--quiet")
    record_file = claimed.by_hand / "experiments" / "lenets.json"
    plain, norm = read_record(GroupRecord, record_file).networks
    record_file.unlink()
    lost = [plain.runs[1].run, norm.rates[0].run]  # as if neither had been trained yet
    for run in lost:
        shutil.rmtree(claimed.runs / run)
    publish_claims(claimed)
    folder = claimed.published / "claims" / "unfinished"
    assert [path.name for path in folder.iterdir()] == ["lenets.json"]  # runs of a CPU are none of a GPU
    unfinished = read_record(GroupRecord, folder / "lenets.json")
    (found,) = unfinished.networks  # the other's rate is not chosen yet
    assert (found.rates, found.runs) == (plain.rates, (plain.runs[0], plain.runs[2]))
    assert not any("published" in flag for flag in found.flags)  # they are from here
    json_of(claimed, "experiment", "lenets", "--profile", "full", "--published", "--quiet")
    again = read_record(GroupRecord, record_file)
    assert [trial.run for trial in again.networks[1].rates] == [trial.run for trial in norm.rates]
    assert {run for run in lost if (claimed.runs / run).exists()} == set(lost)


def test_evidence_from_a_gpu_stands_beside_that_from_a_cpu(claimed: Workspace) -> None:
    claims = claimed.root / "reports" / "claims.yaml"
    sizes = "full: {seeds: 3, core_hours: 0.01}"
    claims.write_text(claims.read_text().replace(sizes, f"{sizes}, gpu: {{seeds: 2, core_hours: 0.01}}"))
    folder = claimed.published / "claims" / "experiments"
    json_of(claimed, "experiment", "lenets", "--profile", "gpu", "--quiet")
    by_gpu = {claim.id: claim for claim in publish_claims(claimed)}
    assert [path.name for path in folder.iterdir()] == ["lenets.gpu.json"] and by_gpu["B2"].parts[0].n == 2
    json_of(claimed, "experiment", "lenets", "--profile", "full", "--quiet")
    by_both = {claim.id: claim for claim in publish_claims(claimed)}
    assert {path.name for path in folder.iterdir()} == {"lenets.gpu.json", "lenets.json"}
    assert by_both["B2"].parts[0].n == 3  # the profile for which the study is planned
