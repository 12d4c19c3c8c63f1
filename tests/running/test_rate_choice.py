"""The choice of a learning rate by several seeds; runs are made, in a real run store, in place of being trained."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from small_plans import manifest_of, smoke_plan

from pipeline.claims.claim_records import check_record
from pipeline.errors import UsageError
from pipeline.evidence.records import Epoch, GroupRecord, RateTrial, Result
from pipeline.evidence.statistics import NO_RATE_TRAINS
from pipeline.evidence.store import RunStore
from pipeline.running.outcomes import Outcome, outcome_of
from pipeline.running.plans import RunPlan
from pipeline.running.reproduce import reproduce
from pipeline.running.requests import Request
from pipeline.training.protocol import FURTHER_CHOICE_SEEDS
from pipeline.workspace import Workspace

FIRST, SECOND = 0, FURTHER_CHOICE_SEEDS
Errors = Mapping[tuple[float, int], tuple[float, ...]]
"""Validation errors after each epoch, by rate and seed; a run of less than two epochs fails there."""
DISAGREEING: Errors = {
    (0.02, FIRST): (30.0, 20.0),
    (0.06, FIRST): (29.0, 19.0),
    (0.02, SECOND): (28.0, 20.0),
    (0.06, SECOND): (80.0, 80.0),
}
"""The first seed prefers the larger rate, both together the smaller one."""


class MadeRuns:
    """Runs that end at once, as they are said to; reported ones err by 15 %."""

    def __init__(self, workspace: Workspace, errors: Errors) -> None:
        self.asked: list[Request] = []
        self._errors, self._store = errors, RunStore(workspace.runs)
        self._ended: list[Outcome] = []

    def holds(self, request: Request) -> bool:
        return False

    def submit(self, request: Request) -> None:
        spec = request.spec
        self.asked.append(request)
        errors = self._errors.get((spec.recipe.learning_rate, spec.seed), (25.0, 15.0))
        fails = len(errors) < spec.recipe.epochs
        folder = self._store.register(spec, request.name, "fashion-mnist", request.member)
        history = tuple(Epoch(number, 1.0, 1.0, error, 0.1, 1.0) for number, error in enumerate(errors, start=1))
        state, reason = ("failed", "diverged: made so") if fails else ("complete", None)
        result = Result("result/1", folder.run, state, reason, history, None if fails else "a" * 64)  # type: ignore[arg-type]
        folder.write(result)
        self._ended.append(outcome_of(request, folder, result))

    def outcomes(self) -> Iterator[Outcome]:
        while self._ended:
            yield self._ended.pop(0)

    def stop(self, request: Request, trained: bool = True) -> None:
        pass


@pytest.fixture
def plan(study: Workspace) -> RunPlan:
    """One network of two rates, each judged by two seeds after two epochs; nothing is tested."""
    return planned(smoke_plan(study, test=False), choice_seeds=(FIRST, SECOND))


def planned(plan: RunPlan, epochs: int = 2, **changes: object) -> RunPlan:
    networks = [
        replace(
            network,
            recipe={**network.recipe, "epochs": epochs},
            choice={},
            **changes,  # type: ignore[arg-type]
        )
        for network in plan.networks
    ]
    return replace(plan, networks=tuple(networks))


def made(
    workspace: Workspace, plan: RunPlan, errors: Errors, published: GroupRecord | None = None
) -> tuple[GroupRecord, MadeRuns]:
    runs = MadeRuns(workspace, errors)
    return reproduce(plan, manifest_of(workspace), runs, "cpu", published), runs


def states_of(trials: tuple[RateTrial, ...]) -> dict[tuple[float, int], tuple[str, int]]:
    return {(trial.learning_rate, trial.seed): (trial.state, trial.epochs) for trial in trials}


def test_the_mean_of_all_seeds_decides_and_not_the_first(study: Workspace, plan: RunPlan) -> None:
    both, _ = made(study, plan, DISAGREEING)
    assert both.networks[0].recipe.learning_rate == 0.02
    assert states_of(both.networks[0].rates) == dict.fromkeys(DISAGREEING, ("complete", 2))
    first, _ = made(study, planned(plan, choice_seeds=(FIRST,)), DISAGREEING)
    assert first.networks[0].recipe.learning_rate == 0.06


def test_a_rate_that_begins_badly_on_the_mean_is_stopped_with_all_its_seeds(study: Workspace, plan: RunPlan) -> None:
    record, _ = made(study, planned(plan, reduction=2), DISAGREEING)
    assert record.networks[0].recipe.learning_rate == 0.02
    assert states_of(record.networks[0].rates) == {
        (0.02, FIRST): ("complete", 2),
        (0.06, FIRST): ("stopped", 1),
        (0.02, SECOND): ("complete", 2),
        (0.06, SECOND): ("stopped", 1),
    }


@pytest.mark.parametrize(("other", "chosen"), [((60.0, 60.0), 0.06), ((50.0, 50.0), 0.02)])
@pytest.mark.parametrize("reduction", [None, 2])
def test_a_seed_that_fails_errs_as_guessing_does(
    study: Workspace, plan: RunPlan, other: tuple[float, float], chosen: float, reduction: int | None
) -> None:
    """90 % of one seed and 18 % of the other are 54 % of the rate."""
    errors = {(0.06, FIRST): (18.0, 18.0), (0.06, SECOND): (), (0.02, FIRST): other, (0.02, SECOND): other}
    record, _ = made(study, planned(plan, reduction=reduction), errors)
    assert record.networks[0].recipe.learning_rate == chosen
    assert [run.state for run in record.networks[0].runs] == ["complete"] * 2


def test_a_network_trains_at_no_rate_where_all_seeds_of_each_fail(study: Workspace, plan: RunPlan) -> None:
    record, runs = made(study, plan, dict.fromkeys(DISAGREEING, ()))
    assert NO_RATE_TRAINS in record.networks[0].flags and record.networks[0].runs == ()
    assert {request.member.role for request in runs.asked} == {"learning-rate"}


def test_a_published_choice_is_taken_over_where_it_was_made_by_the_same_seeds(study: Workspace, plan: RunPlan) -> None:
    published, _ = made(study, plan, DISAGREEING)
    again, runs = made(study, plan, DISAGREEING, published)
    assert runs.asked == [] and again.networks[0].rates == published.networks[0].rates
    more = planned(plan, choice_seeds=(FIRST, SECOND, SECOND + 1))
    rechosen, runs = made(study, more, DISAGREEING, published)
    assert {request.spec.seed for request in runs.asked} == {FIRST, SECOND, SECOND + 1}
    assert len(rechosen.networks[0].rates) == 6
    check_record(plan, published, manifest_of(study))
    with pytest.raises(UsageError, match="was selected with 2 seeds, not 3: run the experiment again"):
        check_record(more, published, manifest_of(study))
