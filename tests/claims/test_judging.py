"""The decision rule: from evidence to verdicts, and what it does where the truth is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evidence_made import LOWER_ERROR, made_record

import search_spaces
from pipeline.claims.catalogue import Catalogue, Claim, read_catalogue
from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.experiments import Arm, Experiment, Size
from pipeline.claims.inference import contrast
from pipeline.claims.judging import decide, deciding_p_value, judge, p_values_of
from pipeline.claims.parts import EmpiricalPart, Relation
from pipeline.claims.tables import tell
from pipeline.claims.verdicts import Verdict, together
from pipeline.evidence.statistics import AT_CHANCE_LEVEL, AT_THE_EDGE
from pipeline.files import read_json
from pipeline.schema import parse

CHECKOUT = Path(__file__).parents[2]
HOLDING = (
    *("A1", "A12", "V1", "V2", "V3", "V5", "V6", "N1", "N2", "N3", "N4"),
    *("G1", "G3", "B7", "R2", "R4", "X1", "D1", "D7", "P6"),
)
DEPTH = Experiment("?", {"full": Size(5, 1.0)}, {"deep": Arm("vgg-small"), "flat": Arm("vgg-small")})


def catalogue(part: EmpiricalPart, primary: bool = True) -> Catalogue:
    claim = Claim("depth", "VGG", "Deep is better.", "contested", (part,), primary)
    return Catalogue({"depth": DEPTH}, claims={"V4": claim})


def test_the_source_claims_get_the_verdicts_that_arithmetic_gives_them() -> None:
    verdicts = {
        claim.id: claim.verdict for claim in judge(read_catalogue(CHECKOUT / "reports" / "claims.yaml"), ClaimRecords())
    }
    assert (verdicts["A2"], verdicts["A3"], verdicts["G2"]) == ("contradicted",) * 3
    assert (verdicts["G4"], verdicts["A4"], verdicts["X2"], verdicts["B6"]) == ("holds in part",) * 4
    for claim in HOLDING:
        assert verdicts[claim] == "holds", claim


def test_every_claim_of_the_source_is_stated() -> None:
    claims = read_catalogue(CHECKOUT / "reports" / "claims.yaml").claims
    sections = {"A": 12, "V": 9, "N": 7, "G": 8, "B": 9, "R": 5, "X": 5, "D": 8, "P": 6, "S": 1}
    stated = [f"{section}{number}" for section, count in sections.items() for number in range(1, count + 1)]
    assert list(claims) == stated
    assert len(claims) == 70 and all(claim.source and claim.statement.endswith(".") for claim in claims.values())
    assert {name for name, claim in claims.items() if claim.primary} == {"V4", "G5", "B1", "B4", "R1", "X2", "X5", "D2"}


def test_the_searched_network_is_the_best_of_the_published_search() -> None:
    study = read_json(CHECKOUT / "reports" / "published" / "claims" / "studies" / "inception-under-googlenet.json")
    complete = [trial for trial in study["trials"] if trial["state"] == "complete"]
    best = min(complete, key=lambda trial: trial["validation_error_percent"])
    arms = read_catalogue(CHECKOUT / "reports" / "claims.yaml").experiments["searched-inception"].arms
    family, by_hand = search_spaces.reference("googlenet-small")
    searched = arms["searched"].network
    assert isinstance(searched, dict) and arms["by hand"].network == "googlenet-small"
    assert parse(family.config, searched["config"], "searched") == parse(
        family.config, best["config"]["config"], "best"
    )
    assert best["macs"] <= search_spaces.price(family, by_hand.config, 28).macs == study["limits"]["macs"]


@pytest.mark.parametrize(
    ("relation", "held", "broken"),
    [
        ({"equals": 3}, 3, 3.001),
        ({"about": 100, "within": 0.1}, 110, 110.1),
        ({"above": 0}, 1e-9, 0),
        ({"below": 1}, 0.9, 1),
        ({"at_least": 2}, 2, 1.9),
        ({"at_most": 2}, 2, 2.1),
    ],
)
def test_relations(relation: dict[str, Any], held: float, broken: float) -> None:
    assert Relation(**relation).holds_of(held) and not Relation(**relation).holds_of(broken)


def test_a_relation_says_one_thing() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Relation(equals=1, above=0)


@pytest.mark.parametrize(
    ("deep", "verdict"),
    [
        ((10.0, 10.2, 9.9, 10.1, 9.8), "holds"),
        ((14.0, 14.2, 13.9, 14.1, 13.8), "contradicted"),
        ((12.0, 12.1, 12.0, 11.9, 12.1), "equivalent"),
        ((9.0, 14.0, 12.0, 8.0, 15.0), "undecided"),
        ((10.0, 10.2, None, None, 9.8), "undecided"),
        ((None, None, None, None, None), "contradicted"),  # what fails errs as guessing does
    ],
)
def test_verdicts_of_a_claim_of_lower_error(deep: tuple[float | None, ...], verdict: Verdict) -> None:
    record = made_record("depth", {"deep": deep, "flat": (12.0, 12.2, 11.9, 12.0, 12.1)})
    (found,) = judge(catalogue(LOWER_ERROR), ClaimRecords({"depth": record}))
    assert found.verdict == verdict
    (part,) = found.parts
    assert part.failed == deep.count(None)
    if verdict == "undecided" and None not in deep:
        assert part.seeds_needed is not None and part.seeds_needed > 5
    if verdict == "holds":
        assert part.effect == pytest.approx(-2.04) and part.n == 5 and part.interval is not None


@pytest.mark.parametrize(
    ("deep", "verdict"),
    [
        ((12.0, 12.1, 12.0, 11.9, 12.1), "holds"),
        ((10.0, 10.2, 9.9, 10.1, 9.8), "contradicted"),
        ((9.0, 14.0, 12.0, 8.0, 15.0), "undecided"),
    ],
)
def test_verdicts_of_a_claim_of_equality(deep: tuple[float, ...], verdict: Verdict) -> None:
    record = made_record("depth", {"deep": deep, "flat": (12.0, 12.2, 11.9, 12.0, 12.1)})
    (found,) = judge(catalogue(replace(LOWER_ERROR, expect="equal")), ClaimRecords({"depth": record}))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("deep", "verdict"),
    [
        ((12.0, 12.1, 12.0, 11.9, 12.1), "holds"),
        ((10.0, 10.2, 9.9, 10.1, 9.8), "holds"),
        ((14.0, 14.2, 13.9, 14.1, 13.8), "contradicted"),
        ((12.4, 12.7, 12.2, 12.5, 12.4), "undecided"),  # higher for sure, but not by more than is of interest
        ((9.0, 14.0, 12.0, 8.0, 15.0), "undecided"),
    ],
)
def test_verdicts_of_a_claim_that_something_is_not_higher(deep: tuple[float, ...], verdict: Verdict) -> None:
    record = made_record("depth", {"deep": deep, "flat": (12.0, 12.2, 11.9, 12.0, 12.1)})
    (found,) = judge(catalogue(replace(LOWER_ERROR, expect="not higher")), ClaimRecords({"depth": record}))
    assert found.verdict == verdict


def test_the_p_value_that_is_shown_is_that_of_the_test_that_decides() -> None:
    assert deciding_p_value({"equivalence": 0.02, "difference": 0.001}) == 0.02
    assert deciding_p_value({"equivalence": 0.2, "difference": 0.001}) == 0.001


def test_an_effect_that_was_shown_may_still_be_too_small_to_speak_of() -> None:
    flat = (12.0, 12.2, 11.9, 12.0, 12.1)
    for deep, small in (((10.0, 10.2, 9.9, 10.1, 9.8), False), ((11.5, 11.7, 11.3, 11.6, 11.4), True)):
        (found,) = judge(
            catalogue(LOWER_ERROR), ClaimRecords({"depth": made_record("depth", {"deep": deep, "flat": flat})})
        )
        assert (found.verdict, found.parts[0].may_be_small) == ("holds", small)


def test_what_must_be_known_of_the_arms_stands_beside_their_effect() -> None:
    record = made_record("depth", {"deep": (10.0, 10.2, 9.9), "flat": (12.0, 12.2, 11.9)})
    deep, flat = record.networks
    some = f"1 of 3 seeds {AT_CHANCE_LEVEL}"
    flagged = replace(
        record,
        networks=(replace(deep, flags=(AT_THE_EDGE, "2 of 3 seeds published")), replace(flat, flags=(some,))),
    )
    (found,) = judge(catalogue(LOWER_ERROR), ClaimRecords({"depth": flagged}))
    assert found.parts[0].cautions == (f"deep: {AT_THE_EDGE}", f"flat: {some}")
    assert f"deep: {AT_THE_EDGE}" in tell(found)


def test_whether_an_arm_trains_has_a_caution_where_its_rate_is_at_the_edge_but_not_where_it_does_not() -> None:
    record = made_record("depth", {"deep": (90.0, 90.0, 90.0), "flat": (12.0, 12.2, 11.9)})
    deep, flat = record.networks
    flagged = replace(record, networks=(replace(deep, flags=(AT_THE_EDGE, AT_CHANCE_LEVEL)), flat))
    (found,) = judge(catalogue(replace(LOWER_ERROR, of="trains")), ClaimRecords({"depth": flagged}))
    assert found.parts[0].cautions == (f"deep: {AT_THE_EDGE}",)


@pytest.mark.parametrize(("against", "verdict"), [(-2.0, "equivalent"), (-1.0, "holds"), (-3.0, "contradicted")])
def test_an_effect_is_held_against_a_value(against: float, verdict: Verdict) -> None:
    record = made_record("depth", {"deep": (10.0, 10.2, 9.9, 10.1, 9.8), "flat": (12.0, 12.2, 11.9, 12.0, 12.1)})
    (found,) = judge(catalogue(replace(LOWER_ERROR, against=against)), ClaimRecords({"depth": record}))
    assert found.verdict == verdict
    assert found.parts[0].effect == pytest.approx(-2.04) and found.parts[0].against == against


def test_without_evidence_a_claim_is_undecided() -> None:
    (found,) = judge(catalogue(LOWER_ERROR), ClaimRecords())
    assert found.verdict == "undecided" and found.parts[0].effect is None


def test_what_takes_a_gpu_is_not_testable_without_its_record_and_then_does_not_count() -> None:
    record = made_record("depth", {"deep": (10.0, 10.2, 9.9, 10.1, 9.8), "flat": (12.0, 12.2, 11.9, 12.0, 12.1)})
    whole = catalogue(LOWER_ERROR)
    large = replace(DEPTH, sizes={"gpu": Size(5, 1.0)})
    both = replace(whole.claims["V4"], parts=(LOWER_ERROR, replace(LOWER_ERROR, experiment="large")))
    with_gpu = Catalogue({"depth": DEPTH, "large": large}, claims={"V4": both})
    (alone,), (here,), (there,) = (
        judge(whole, ClaimRecords({"depth": record})),
        judge(with_gpu, ClaimRecords({"depth": record})),
        judge(with_gpu, ClaimRecords({"depth": record, "large": replace(record, group="large")})),
    )
    assert [part.verdict for part in here.parts] == ["holds", "not testable here"] and here.verdict == "holds"
    assert here.parts[0].p_value == alone.parts[0].p_value
    assert there.parts[1].verdict == "undecided"  # its arms are named after another experiment


def test_a_part_whose_arms_a_profile_leaves_out_is_undecided() -> None:
    (found,) = judge(catalogue(LOWER_ERROR), ClaimRecords({"depth": made_record("depth", {"deep": (1.0, 2.0)})}))
    assert found.verdict == "undecided" and found.parts[0].n is None


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (("holds", "holds"), "holds"),
        (("holds", "contradicted"), "holds in part"),
        (("holds", "undecided"), "undecided"),
        (("contradicted", "equivalent"), "contradicted"),
        (("holds", "contradicted", "undecided"), "holds in part"),  # whatever is found of the third
        (("holds in part", "undecided"), "holds in part"),
        (("contradicted", "undecided", "undecided"), "undecided"),
        (("undecided", "undecided"), "undecided"),
        (("holds", "not testable here"), "holds"),
        (("not testable here",), "not testable here"),
    ],
)
def test_the_verdict_of_a_whole(verdicts: tuple[Verdict, ...], whole: Verdict) -> None:
    assert together(verdicts) == whole


def test_equal_differences_are_as_sure_as_a_toss_of_coins() -> None:
    few, many = contrast([-1.0] * 5), contrast([-1.0] * 6)
    assert few is not None and decide(LOWER_ERROR, few, p_values_of(LOWER_ERROR, few)) == "undecided"
    assert many is not None and p_values_of(LOWER_ERROR, many)["difference"] == 2 * 0.5**6
    assert decide(LOWER_ERROR, many, p_values_of(LOWER_ERROR, many)) == "holds"
    none = contrast([0.0] * 5)
    assert none is not None and decide(LOWER_ERROR, none, p_values_of(LOWER_ERROR, none)) == "equivalent"


def test_the_tests_of_all_parts_are_adjusted_together() -> None:
    record = made_record("depth", {"deep": (10.0, 10.2, 9.9, 10.1, 9.8), "flat": (12.0, 12.2, 11.9, 12.0, 12.1)})
    (alone,) = judge(catalogue(LOWER_ERROR), ClaimRecords({"depth": record}))
    many = catalogue(LOWER_ERROR)
    many = replace(many, claims=dict.fromkeys(("V4", "V5", "V6"), many.claims["V4"]))
    together_ = judge(many, ClaimRecords({"depth": record}))
    one, three = alone.parts[0].p_value, together_[0].parts[0].p_value
    assert one is not None and three is not None and three == pytest.approx(3 * one)  # Holm: 3 parts in place of 1


def test_a_verdict_is_adjusted_for_what_has_no_evidence_yet() -> None:
    record = made_record("depth", {"deep": (10.0, 10.2, 9.9, 10.1, 9.8), "flat": (12.0, 12.2, 11.9, 12.0, 12.1)})
    whole = catalogue(LOWER_ERROR)
    later = replace(whole, experiments={"depth": DEPTH, "later": DEPTH})
    waiting = replace(whole.claims["V4"], parts=(replace(LOWER_ERROR, experiment="later"),))
    (alone,), (first, second) = (
        judge(found, ClaimRecords({"depth": record}))
        for found in (whole, replace(later, claims={"V4": whole.claims["V4"], "V7": waiting}))
    )
    one, beside = alone.parts[0].p_value, first.parts[0].p_value
    assert one is not None and beside == pytest.approx(2 * one)
    assert second.verdict == "undecided" and second.parts[0].p_value is None
