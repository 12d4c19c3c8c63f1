"""A user's own claims in reports/my-claims.yaml: judged beside the source's, and without effect on these."""

from pathlib import Path

import pytest
import yaml
from conftest import CHECKOUT
from evidence_made import LOWER_ERROR, made_record
from small_claims import SMOKE
from small_claims import claimed as claimed
from verbs import called, json_of, refused

from pipeline.claims.catalogue import Catalogue, Claim, catalogue_of, catalogues_of
from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.experiments import Arm, Experiment, Size
from pipeline.claims.judging import judge, judge_all
from pipeline.errors import UsageError
from pipeline.files import read_json
from pipeline.publishing.claims import publish_claims
from pipeline.reporting.report import write_report
from pipeline.stages import experiment as experiment_stage
from pipeline.stages import judge as judge_stage
from pipeline.stages import plan as plan_stage
from pipeline.workspace import Workspace

OWN = """
# What I think.
experiments:
  mine:
    question: Does batch normalisation help at a higher rate?
    recipe: {epochs: 1, train_images: 256, batch_size: 32, validation_images: 200, train_loss_images: 100}
    rates: [0.3]
    sizes: {smoke: {seeds: 2, core_hours: 0.01}, full: {seeds: 2, core_hours: 0.01}}
    arms: {plain: {network: lenet}, norm: {network: bn-lenet}}
claims:
  count: {theme: depth, source: mine, statement: AlexNet has nine layers., known: expected, parts: [
    {kind: analytic, measure: layers, calculation: alexnet-layers, says: {layers: {equals: 9}}}]}
  known-arms: {theme: cost, source: mine, statement: Batch norm changes nothing., known: contested, parts: [
    {kind: empirical, measure: error, experiment: lenets, of: validation error, contrast: {norm: 1, plain: -1},
     expect: equal, smallest: 1, unit: points}]}
  new-arms: {theme: cost, source: mine, statement: Batch norm lowers the error at 0.3., known: contested, parts: [
    {kind: empirical, measure: error, experiment: mine, of: validation error, contrast: {norm: 1, plain: -1},
     expect: lower, smallest: 1, unit: points}]}
"""


@pytest.fixture
def file(claimed: Workspace) -> Path:
    """The workspace's second file, which is not there yet."""
    return claimed.root / "reports" / "my-claims.yaml"


def test_own_claims_are_judged_with_the_arms_of_both_files_and_change_no_other_verdict(
    claimed: Workspace, file: Path
) -> None:
    json_of(claimed, "experiment", "lenets", "--quiet")
    of_source = json_of(claimed, "claims")
    file.write_text(OWN)
    judged = json_of(claimed, "claims")
    assert judged[: len(of_source)] == of_source and not any(claim["own"] for claim in of_source)
    own = judged[len(of_source) :]
    assert [(claim["id"], claim["own"], claim["verdict"]) for claim in own] == [
        ("count", True, "contradicted"),
        ("known-arms", True, own[1]["verdict"]),
        ("new-arms", True, "undecided"),
    ]
    assert own[1]["parts"][0]["n"] == 2 and own[1]["parts"][0]["effect"] == of_source[0]["parts"][0]["effect"]
    table = called(claimed, "claims")
    title = "your own claims (reports/my-claims.yaml)\ncount      contradicted"
    assert table.index("\n4 claims: ") < table.index(title)
    assert table.rstrip().endswith("undecided") and "\n3 claims: 1 is contradicted" in table
    assert "new-arms, error: " in called(claimed, "experiment", "mine")
    (after,) = json_of(claimed, "claims", "new-arms")
    assert after["parts"][0]["n"] == 2 and after["evidence"] == ["experiment mine"]
    assert "your own claim (reports/my-claims.yaml)" in called(claimed, "claims", "COUNT")


def test_the_stages_take_own_records_in_and_publishing_leaves_them_out(claimed: Workspace, file: Path) -> None:
    file.write_text(OWN)
    plan_stage.main()
    assert not (claimed.plans / "experiments" / "mine.json").exists()
    experiment_stage.main()
    judge_stage.main()
    before = read_json(claimed.results / "claims.json")
    assert [claim["id"] for claim in before if claim["own"]] == ["count", "known-arms", "new-arms"]
    assert before[-1]["parts"][0]["n"] is None
    json_of(claimed, "experiment", "mine", "--quiet")
    judge_stage.main()
    after = read_json(claimed.results / "claims.json")
    assert after[:4] == before[:4] and after[-1]["parts"][0]["n"] == 2
    write_report(claimed.results)
    text, page = ((claimed.results / name).read_text() for name in ("REPORT.md", "report.html"))
    assert "# 1 of 4 claims hold, " in text and "### Your own claims\n" in text and "come last" in text
    places = [text.index(part) for part in ("### Design spaces", "### Your own claims", "[new-arms](#claim-new-arms)")]
    assert places == sorted(places)
    assert '<section id="claim-known-arms"' in page and "Your own claims (reports/my-claims.yaml) come last." in page
    json_of(claimed, "experiment", "mine", "--profile", "full", "--quiet")
    published = publish_claims(claimed)
    assert [claim.id for claim in published] == list(yaml.safe_load(SMOKE)["claims"])
    assert not list(claimed.published.rglob("mine*"))


def test_own_claims_are_a_family_of_tests_of_their_own() -> None:
    errors = {"deep": (10.0, 10.2, 9.9, 10.1, 9.8), "flat": (12.0, 12.2, 11.9, 12.0, 12.1)}
    experiments = {"depth": Experiment("?", {"full": Size(5, 1.0)}, {arm: Arm("vgg-small") for arm in errors})}
    claim = Claim("depth", "VGG", "Deep is better.", "contested", (LOWER_ERROR,), primary=True)
    source = Catalogue(experiments, claims={"V4": claim})
    own = Catalogue(experiments, claims=dict.fromkeys(("M1", "M2", "M3"), claim))
    records = ClaimRecords({"depth": made_record("depth", errors)})
    (alone,) = judge(source, records)
    judged = judge_all(source, own, records)
    p_values = [found.parts[0].p_value for found in judged]
    assert judged[0] == alone and alone.parts[0].p_value is not None
    assert p_values[1:] == [pytest.approx(3 * alone.parts[0].p_value)] * 3  # Holm among three, not among four


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("claims: {B2: {}}", r"my-claims\.yaml: claims\.B2: claims\.yaml has this name: choose another"),
        ("claims: {b2: {}}", r"claims\.b2: claims\.yaml has this name"),
        ("experiments: {lenets: {}}", r"experiments\.lenets: claims\.yaml has this name"),
        ("timings: {norms: {}}", r"timings\.norms: claims\.yaml has this name"),
        ("claim: {}", r"my-claims\.yaml\.claim: unknown key; did you mean 'claims'\?"),
        ("claims: [1]", r"my-claims\.yaml\.claims"),
        ("[1]", r"my-claims\.yaml"),
        ("claims: {M: {theme: depth}}", r"my-claims\.yaml\.claims\.M\.statement: is missing"),
        (OWN.replace("experiment: mine", "experiment: mien"), "new-arms: unknown experiment 'mien'"),
        ("{", r"my-claims\.yaml: while parsing"),
    ],
)
def test_the_second_file_is_read_as_strictly_as_the_first(
    claimed: Workspace, file: Path, content: str, message: str
) -> None:
    file.write_text(content)
    with pytest.raises(UsageError, match=message):
        catalogues_of(claimed)


def test_a_second_file_that_is_absent_or_says_nothing_adds_no_claim(claimed: Workspace, file: Path) -> None:
    for content in (None, "", "# nothing yet", "claims:\nexperiments:"):
        if content is not None:
            file.write_text(content)
        source, own = catalogues_of(claimed)
        assert not own.claims and own.experiments == source.experiments and own.timings == source.timings
    assert "did you mean 'lenets'" in refused(claimed, "experiment", "lenet")


def test_no_test_of_the_source_looks_at_the_users_file(claimed: Workspace, file: Path) -> None:
    source = catalogue_of(claimed)
    file.write_text(OWN)
    assert catalogue_of(claimed) == source
    readers = [path.name for path in (CHECKOUT / "tests").rglob("*.py") if file.name in path.read_text()]
    assert readers == [Path(__file__).name]
