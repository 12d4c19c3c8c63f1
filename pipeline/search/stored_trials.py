"""A trial as Optuna's storage holds it.

Two system attributes hold all that convstudy reads: `convstudy:candidate`, written once, and `convstudy:progress`. The
user attributes repeat the main facts one by one for other readers, such as `Study.trials_dataframe` and
optuna-dashboard. convstudy never reads them, so editing them cannot damage a study. Studies of earlier versions hold
the same two dictionaries as user attributes, and nothing else.
"""

import json
from datetime import datetime
from typing import Any, cast

from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from pipeline.evidence.study_records import Rung, SearchPlan, Trial, TrialRecord
from pipeline.schema import to_json
from pipeline.search.samplers import distributions
from search_spaces import Space

CANDIDATE, PROGRESS = "convstudy:candidate", "convstudy:progress"
ENDED = {OptunaState.COMPLETE: "complete", OptunaState.PRUNED: "stopped", OptunaState.FAIL: "failed"}


def add_trial(storage: RDBStorage, study_id: int, trial: Trial, plan: SearchPlan, space: Space) -> int:
    """Add a RUNNING trial with the parameters of its network, in one transaction; returns its id in the storage."""
    params, known = space.asked(trial.values), distributions(space)
    facts = {**trial.costs, "learning_rate": plan.recipe.learning_rate, "run": trial.run, "origin": "drawn"}
    user = facts | _results(trial)
    system: dict[str, Any] = {CANDIDATE: _candidate(trial), PROGRESS: _progress(trial)}
    system |= {f"constraints:{key}": excess for key, excess in plan.limits.excess(trial.costs).items()}
    with _create_scoped_session(storage.scoped_session) as session:
        models.StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
        number = cast(int, storage._get_prepared_new_trial(study_id, None, session).trial_id)
        session.add_all(
            models.TrialParamModel(
                trial_id=number,
                param_name=name,
                param_value=known[name].to_internal_repr(value),
                distribution_json=distribution_to_json(known[name]),
            )
            for name, value in params.items()
        )
        for model, attributes in ((models.TrialUserAttributeModel, user), (models.TrialSystemAttributeModel, system)):
            session.add_all(
                model(trial_id=number, key=key, value_json=json.dumps(value)) for key, value in attributes.items()
            )
    return number


def update_trial(storage: RDBStorage, number: int, trial: Trial, plan: SearchPlan) -> None:
    """Write how far a trial has come, or how it ended, in one transaction."""
    with _create_scoped_session(storage.scoped_session) as session:
        row = models.TrialModel.find_or_raise_by_id(number, session, for_update=True)
        storage.check_trial_is_updatable(number, cast(OptunaState, row.state))
        storage._set_trial_attr_without_commit(
            session, models.TrialSystemAttributeModel, number, PROGRESS, _progress(trial)
        )
        for key, value in _results(trial).items():
            storage._set_trial_attr_without_commit(session, models.TrialUserAttributeModel, number, key, value)
        if len(plan.objectives) == 1 and trial.rungs:
            epochs, error = trial.rungs[-1].epochs, trial.errors[-1]
            storage._set_trial_intermediate_value_without_commit(session, number, epochs, error)
        if trial.state is not None:
            state, values = _end(trial, plan)
            for objective, value in enumerate(values):
                storage._set_trial_value_without_commit(session, row, objective, value)
            row.state, row.datetime_complete = state, datetime.now()


def _results(trial: Trial) -> dict[str, Any]:
    """The user attributes that change while a trial trains."""
    return {
        "last_error_percent": trial.errors[-1] if trial.rungs else None,
        "epochs": trial.epochs_seen,
        "reason": trial.reason,
    }


def _progress(trial: Trial) -> dict[str, Any]:
    """What changes while a trial trains."""
    return {
        "rungs": [to_json(rung) for rung in trial.rungs],
        "reason": trial.reason,
        "attempts": trial.attempts,
        "epochs_seen": trial.epochs_seen,
        "train_seconds": trial.train_seconds,
        "micro_batches": trial.micro_batches,
        "counted_at": trial.counted_at,
    }


def _candidate(trial: Trial) -> dict[str, Any]:
    """What is known of a trial before it trains."""
    return {
        "values": trial.values,
        "config": trial.config,
        "run": trial.run,
        "costs": trial.costs,
        "refused": trial.refused,
        "duplicates": trial.duplicates,
        "drawn_by": trial.drawn_by,
        "sampler_attributes": trial.sampler_attributes,
    }


def _end(trial: Trial, plan: SearchPlan) -> tuple[OptunaState, list[float]]:
    """Optuna's state of a trial that has ended, and its values.

    As in `Study.tell`, a trial stopped at a rung has the error there as its value, if the study has one objective.
    """
    state = next(state for state, name in ENDED.items() if name == trial.state)
    if trial.state == "complete":
        return state, objective_values(trial, plan)
    if trial.state == "stopped" and len(plan.objectives) == 1:
        return state, [trial.errors[-1]]
    return state, []


def objective_values(trial: Trial | TrialRecord, plan: SearchPlan) -> list[float]:
    """A complete trial's objectives, in the plan's order: error in percent, costs in their units."""
    return [trial.errors[-1], *(trial.costs[cost.key] for cost in plan.costs)]


def read_trial(stored: FrozenTrial) -> Trial:
    """The trial that a storage holds."""
    candidate = stored.system_attrs.get(CANDIDATE) or stored.user_attrs["candidate"]
    progress = dict(stored.system_attrs.get(PROGRESS) or stored.user_attrs["progress"])
    progress["rungs"] = tuple(Rung(**rung) for rung in progress["rungs"])
    progress["state"] = ENDED.get(stored.state)
    return Trial(number=stored.number, **candidate, **progress)
