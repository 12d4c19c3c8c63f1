"""What stands beside a claim: measured as parts are, and without a say in any verdict."""

from dataclasses import replace

import pytest
from evidence_made import LOWER_ERROR, made_record

from pipeline.claims.calculations.registry import figures
from pipeline.claims.catalogue import Catalogue, Claim
from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.experiments import Arm, Experiment, Size
from pipeline.claims.judging import judge
from pipeline.claims.parts import Beside, CalculatedFigure, CostRatio, Ranking, TimedContrast, TrainedContrast
from pipeline.claims.tables import tell
from pipeline.claims.timings.plans import TimedArm, TimedArmRecord, Timing, TimingRecord
from pipeline.cost.table import BYTES, COSTS, Cost
from pipeline.errors import UsageError

MIDDLE = TrainedContrast(
    kind="empirical",
    measure="error of the middle one",
    experiment="depth",
    of="validation error",
    contrast={"middle": 1, "flat": -1},
    unit="points",
)
STEPS = TimedContrast(
    kind="timed", measure="time", timing="steps", of="training step", contrast={"slow": 1, "fast": -1}
)
LAYERS = CalculatedFigure("analytic", "layers of AlexNet", "alexnet-layers", "layers")
SEEDS = Ranking("ranking", "correlation with another seed", "short", "short, another seed")
PRICES = CostRatio("cost", "parameters", "depth", "params", "flat", "deep")
ARMS = {"deep": Arm("lenet-small"), "middle": Arm("lenet"), "flat": Arm("lenet")}
RECORD = made_record("depth", {"deep": (10.0, 10.3, 9.9), "middle": (11.0, 11.3, 10.9), "flat": (12.0, 12.2, 11.9)})


def claims(*beside: Beside) -> Catalogue:
    claim = Claim("depth", "VGG", "Deep is better.", "contested", (LOWER_ERROR,), primary=True, beside=beside)
    timing = Timing("Which is faster?", {name: TimedArm("lenet-small") for name in ("fast", "slow")}, {"full": 3})
    return Catalogue({"depth": Experiment("?", {"full": Size(3, 1.0)}, ARMS)}, {"steps": timing}, {"V4": claim})


def evidence() -> ClaimRecords:
    seconds = {"fast": (0.010, 0.011, 0.010), "slow": (0.020, 0.022, 0.020)}
    timed = {name: TimedArmRecord(28, 1, 1, steps, steps) for name, steps in seconds.items()}
    record = TimingRecord("timing/1", "steps", "full", "cpu", 1, 128, timed, "now", {}, {})
    pairs = [(float(error), error + 3.0 * (error % 2)) for error in range(10)]
    return ClaimRecords({"depth": RECORD}, {"steps": record}, {("short", "short, another seed"): pairs})


def test_each_kind_is_measured() -> None:
    (claim,) = judge(claims(MIDDLE, STEPS, LAYERS, PRICES, SEEDS), evidence())
    middle, steps, layers, prices, seeds = claim.beside
    assert seeds.n == 10 and seeds.effect is not None and 0.5 < seeds.effect < 1 and seeds.interval is not None
    assert middle.effect == pytest.approx(-29 / 30) and middle.n == 3 and middle.interval is not None
    assert middle.interval[0] < -29 / 30 < middle.interval[1] < 0
    assert steps.effect == pytest.approx(2.0) and steps.unit == "times"
    assert layers.effect == figures("alexnet-layers")["layers"] and layers.interval is None
    assert prices.effect == pytest.approx(61_706 / 120_886)  # lenet over lenet-small
    text = tell(claim)
    assert "error of the middle one: -0.967 points [" in text and "time: 2 times [" in text
    assert "layers of AlexNet: 8" in text


def test_without_its_record_it_says_so() -> None:
    (claim,) = judge(claims(MIDDLE, STEPS), ClaimRecords())
    assert [aside.effect for aside in claim.beside] == [None, None]
    assert tell(claim).count("no evidence yet") == 3


def test_any_counted_cost_can_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ValueError, match=r"cost \(=weight_bytes\) must be one of macs, params, activations, memory for"
    ):
        replace(PRICES, cost="weight_bytes")
    weights = Cost("weight_bytes", "weights", "bytes of weights", BYTES, count=lambda price: 4 * price.params)
    monkeypatch.setitem(COSTS, "weight_bytes", weights)
    (claim,) = judge(claims(replace(PRICES, cost="weight_bytes")), evidence())
    assert claim.beside[0].effect == pytest.approx(61_706 / 120_886)


def test_it_has_no_say() -> None:
    (alone,), (beside,) = (judge(claims(*items), evidence()) for items in ((), (MIDDLE, STEPS, LAYERS, PRICES)))
    assert replace(beside, beside=()) == alone
    assert alone.verdict == "holds"


def test_what_it_names_must_be_there() -> None:
    with pytest.raises(ValueError, match="experiment depth has no arm or group 'wide'"):
        claims(replace(MIDDLE, contrast={"wide": 1, "flat": -1}))
    with pytest.raises(ValueError, match="experiment depth has no arm 'wide'"):
        claims(replace(PRICES, over="wide"))
    with pytest.raises(UsageError, match="alexnet-layers has no figure 'depth'"):
        judge(claims(replace(LAYERS, figure="depth")), evidence())
