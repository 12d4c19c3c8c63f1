"""Claims with their records for the report's tests: calculated, trained, timed, of populations, and of rankings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import unescape

from report_records import HARDWARE, VERSIONS, group, history, measurement, network

from pipeline.claims.catalogue import Catalogue, Claim, Theme
from pipeline.claims.estimates import ClaimRecords
from pipeline.claims.experiments import Arm, Equality, Experiment, Population, Size
from pipeline.claims.judging import judge
from pipeline.claims.parts import (
    AnalyticPart,
    Beside,
    CalculatedFigure,
    EmpiricalPart,
    Expected,
    Part,
    PopulationPart,
    RankingPart,
    Relation,
    TimedMeasure,
    TimedPart,
    TrainedContrast,
)
from pipeline.claims.simulation import Coverage, Simulation
from pipeline.claims.timings.costs import made_of
from pipeline.claims.timings.plans import TimedArm, TimedArmRecord, Timing, TimingRecord
from pipeline.evidence.records import GroupRecord, NetworkRecord, SeedRun
from pipeline.evidence.statistics import mean_interval
from pipeline.reporting.claims.view import ClaimsView, claims_view
from pipeline.reporting.comparison import Comparison


def arm(name: str, errors: Sequence[float | None], rate: float = 0.1) -> NetworkRecord:
    """An arm of an experiment whose seeds 1, 2, … end at these validation errors in percent; None: it failed."""
    made = replace(network(name, "vgg", 10_000, 400_000), config={"depths": [2, 2], "kernel": 3})
    runs = tuple(
        SeedRun(run, seed, "failed", "diverged", (), None, None)
        if error is None
        else SeedRun(run, seed, "complete", None, history(error, 4, seed), error, measurement(run, 1800.0))
        for seed, error in enumerate(errors, start=1)
        for run in (f"{name} {seed}",)
    )
    mean = mean_interval([error for error in errors if error is not None])
    return replace(made, runs=runs, validation_error_percent=mean, recipe=replace(made.recipe, learning_rate=rate))


def experiment_record(name: str, arms: Mapping[str, Sequence[float | None]]) -> GroupRecord:
    """The record of an experiment by its arms' errors."""
    return group(tuple(arm(f"{name}.{title}", errors) for title, errors in arms.items()), name)


def catalogue(hostile: str = "") -> Catalogue:
    """Claims of every kind: two calculated, and others that hold, are contradicted, equivalent and undecided."""

    def error(measure: str, experiment: str = "kernels", one: str = "two 3x3", other: str = "one 5x5") -> EmpiricalPart:
        return EmpiricalPart(
            kind="empirical",
            measure=measure,
            experiment=experiment,
            of="validation error",
            contrast={one: 1.0, other: -1.0},
            expect="lower",
            smallest=0.5,
            unit="points",
        )

    def time(measure: str, of: TimedMeasure, expect: Expected, smallest: float) -> TimedPart:
        contrast = {"fast": 1.0, "slow": -1.0}
        return TimedPart(
            kind="timed", measure=measure, timing="steps", of=of, contrast=contrast, expect=expect, smallest=smallest
        )

    equal, faster = (
        time("time of both", "inference", "equal", 1.2),
        time("time of a step", "training step", "lower", 1.1),
    )
    layers = {"layers": Relation(equals=8), "hidden dense": Relation(equals=3)}
    arms = {"two 3x3": Arm("vgg-small"), "one 5x5": Arm("vgg-small")}
    spaces = {name: Population("anynet-a", 3, (1, 9)) for name in ("wide", "free")}
    probability = PopulationPart("population", "probability of less error", "spaces", "wide", "free", "higher")
    ranking = RankingPart("ranking", "rank correlation", "short", "full", against=0.5)
    judged_by: dict[str, tuple[Theme, str, tuple[Part, ...]]] = {
        "A1": ("depth", "It has eight layers.", (AnalyticPart("analytic", "layers", "alexnet-layers", layers),)),
        "V4": ("depth", f"Deep is better. {hostile}", (error(f"error {hostile}"), error("no record", "absent"))),
        "V5": ("width", "The same arms again.", (error("error"),)),
        "X3": ("cost", "It is faster, and infers as fast.", (faster, equal)),
        "P1": ("design spaces", "Shared is better.", (probability,)),
        "P5": ("design spaces", "Short ranks as long.", (ranking,)),
    }
    beside: dict[str, tuple[Beside, ...]] = {
        "V4": (
            CalculatedFigure("analytic", f"layers{hostile}", "alexnet-layers", "layers"),
            TrainedContrast(
                kind="empirical",
                measure="error of two 3x3",
                experiment="kernels",
                of="validation error",
                contrast={"two 3x3": 1},
                unit="%",
            ),
        )
    }
    claims = {
        name: Claim(
            theme, "VGG", statement, "contested", parts, name == "V4", f"A remark {hostile}", beside.get(name, ())
        )
        for name, (theme, statement, parts) in judged_by.items()
    }
    timing = Timing("Which is faster?", {name: TimedArm("lenet") for name in ("fast", "slow")}, {"full": 4})
    size = {"quick": Size(5, 1.0), "full": Size(5, 1.0)}
    kernels = Experiment(f"Two 3x3 or one 5x5? {hostile}", size, arms, equal=(Equality("macs", 0.02),))
    experiments = {
        "kernels": kernels,
        "absent": Experiment("Not run.", size, arms),
        "spaces": Experiment("Which space is better?", {"full": Size(1, 1.0)}, populations=spaces),
    }
    return Catalogue(experiments, {"steps": timing}, claims)


def evidence(failed: bool = False) -> ClaimRecords:
    """Records for these claims, of which one experiment was left out; in one arm one training of five `failed`."""
    kernels = {"two 3x3": (10.0, 10.2, 9.9, None if failed else 9.9, 9.7), "one 5x5": (12.0, 12.2, 11.9, 12.1, 12.1)}
    spaces: dict[str, Sequence[float | None]] = {f"wide {n}": (9.0 + n / 5,) for n in range(1, 9)}
    spaces |= {f"free {n}": (9.9 + n / 5,) for n in range(1, 9)} | {"free 9": (None,)}
    seconds = {"fast": (0.010, 0.011, 0.010, 0.0104), "slow": (0.020, 0.021, 0.021, 0.0202)}
    inferences = {"fast": (0.004, 0.0041, 0.004, 0.0042), "slow": (0.004, 0.004, 0.0041, 0.0042)}
    known = made_of(TimedArm("lenet"))
    timed = {
        name: TimedArmRecord(28, 61_706, 416_520, steps, inferences[name], made_of=known)
        for name, steps in seconds.items()
    }
    records = {
        "kernels": experiment_record("kernels", kernels),
        "absent": group((), "absent"),
        "spaces": experiment_record("spaces", spaces),
    }
    timings = {"steps": TimingRecord("timing/1", "steps", "full", "cpu", 1, 128, timed, "now", HARDWARE, VERSIONS)}
    pairs = [(20.0 - n + n % 3, 12.0 - n / 3) for n in range(12)]
    return ClaimRecords(records, timings, {("short", "full"): pairs})


SIMULATION = Simulation((Coverage("skewed", 5, 0.941, 0.837, 2000),), 0.043, 0.021, 0.815, 0.421, 600, 8, 20, 8)


def judged(comparisons: Sequence[Comparison] = (), hostile: str = "", failed: bool = False) -> ClaimsView:
    """These claims with their verdicts."""
    claims, found = catalogue(hostile), evidence(failed)
    return claims_view(claims, judge(claims, found), found, comparisons, SIMULATION, "../..")


def words(page: str) -> str:
    """What a page says, without its marks."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", page)).split())
