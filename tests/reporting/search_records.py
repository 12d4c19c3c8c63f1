"""Records of a search and of its finalists for the report's tests, from a search whose trainings follow a formula."""

from pathlib import Path
from typing import Any

from pipeline.cost.limits import Limits
from pipeline.evidence.finalist_records import FinalistComparison, FinalistsRecord, Member
from pipeline.evidence.records import Interval
from pipeline.evidence.study_records import Budget, Rung, SearchPlan, StudyRecord, Trial
from pipeline.files import write_json
from pipeline.schema import parse, to_json
from pipeline.search import summary
from pipeline.search.candidates import Candidates
from pipeline.search.plans import space_digest
from pipeline.training.recipe import Recipe
from search_spaces import space

HOSTILE = "<script>alert(1)</script>`|{{7*7}}"


def plan(parts: tuple[str, ...] = ("resnet",)) -> SearchPlan:
    recipe = Recipe(epochs=9, train_images=6400, resolution=28, precision="float32")
    return SearchPlan(
        "search-plan/1", parts, space_digest(space(parts)), "fashion-mnist", "0" * 20, 28, 1, 10, recipe,
        ("error", "macs"), Limits(macs=5_000_000), "random", 0, (1, 3, 9), 3, "cpu",
    )  # fmt: skip


def study_record(name: str = "resnet-study", count: int = 40) -> StudyRecord:
    """A finished study: every third trial complete, the rest stopped, one failed."""
    searched = plan()
    candidates = Candidates(searched, space(searched.space))
    trials: list[Trial] = []
    for number in range(count):
        trial = candidates.next(number)
        assert trial is not None
        candidates.know(trial)
        reached = 3 if number % 3 == 0 else 1
        errors = [60.0, 30.0, 30 / (1 + trial.costs["macs"] / 1e6) + number % 5]
        rungs = tuple(Rung(e, errors[k], number + 1) for k, e in enumerate(searched.rungs[:reached]))
        failed = number == count - 1
        trials.append(
            Trial(
                number, trial.config, trial.values, trial.costs, trial.run, trial.refused, 0, "random", {},
                () if failed else rungs, "failed" if failed else "complete" if reached == 3 else "stopped",
                "diverged: loss is nan" if failed else None, 1, 0, 10.0, counted_at=number + 1,
            )
        )  # fmt: skip
    return summary.study_record(name, searched, Budget(trials=count), "complete", trials, (3, 1))


def edited(record: StudyRecord, **changes: Any) -> StudyRecord:
    """The record with other values of its fields, given as JSON."""
    return parse(StudyRecord, {**to_json(record), **changes}, "record")


def trials_json(record: StudyRecord) -> list[dict[str, Any]]:
    """Its trials as JSON, to be changed."""
    trials: list[dict[str, Any]] = to_json(record)["trials"]
    return trials


def ended(trial: dict[str, Any], error: float) -> dict[str, Any]:
    """A trial, as JSON, that was trained in full to an error in percent."""
    rung = {"epochs": 9, "validation_error_percent": error, "arrival": trial["number"] + 1}
    return {**trial, "state": "complete", "reason": None, "rungs": [rung], "validation_error_percent": error}


def finalists_record(record: StudyRecord) -> FinalistsRecord:
    """Its two best, retrained; better than the reference, undecided against the rest."""
    best = record.front_trials[:2]
    members = tuple(
        Member(
            trial.number, trial.config, 10_000, int(trial.costs["macs"]), 12.0,
            Interval(12.5, (12.1, 12.9), 4), Interval(13.0, (12.4, 13.6), 4), ("run",),
        )
        for trial in best
    )  # fmt: skip
    rivals = (
        ("reference", "resnet-small", 2_636_672, Interval(14.0, (13.5, 14.5), 4), -1.2, (-1.9, -0.5), 4, "better"),
        ("random networks", "8", 2_400_000, Interval(15.0, (13.0, 18.0), 8), -1.0, None, 8, "undecided"),
        ("random search", f"trial {HOSTILE}", 2_400_000, Interval(13.1, None, 1), 0.1, (-0.4, 0.6), 4, "undecided"),
    )
    compared = tuple(FinalistComparison(best[0].number, *rival) for rival in rivals)
    return FinalistsRecord(
        "finalists/1", record.study, record.data, plan().recipe, (1, 2, 3, 4), members,
        Interval(0.5, (0.1, 0.9), 2), compared, ("a reason",), ((9000, 30.0), (18000, 20.0), (90000, 14.0)),
    )  # fmt: skip


def write_study(results: Path, record: StudyRecord) -> None:
    """The files that the stages `search` and `finalists` leave, an empty entry beside each."""
    for folder, value in (("studies", record), ("finalists", finalists_record(record))):
        write_json(results / folder / "resnet.json", to_json(value))
        write_json(results / folder / "vgg.json", {})
