"""Studies as users of Optuna open them: `load_study`, `trials_dataframe`, visualization; and those of older code."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import optuna
import pandas as pd
import pytest
from table_search import TableExecutor, run_table, table_plan

import search_spaces
from pipeline.cost.limits import Limits
from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import UsageError
from pipeline.search.gate import described
from pipeline.search.studies import Studies

ATTRIBUTES = {
    "params", "macs", "activations", "learning_rate", "last_error_percent", "epochs", "run", "reason", "origin",
}  # fmt: skip
OLD = Path(__file__).with_name("study_of_version_1.sql")


@pytest.fixture(scope="module", params=["error,macs", "error"])
def opened(
    request: pytest.FixtureRequest, prepared_fashion_mnist: Path, tmp_path_factory: pytest.TempPathFactory
) -> optuna.Study:
    """A study of ten trials, opened as any user of Optuna would."""
    root = tmp_path_factory.mktemp("study")
    manifest = load_manifest(prepared_fashion_mnist)
    objectives = request.param.split(",")
    plan = table_plan(manifest, "resnet", "lenet", sampler="random", objectives=objectives)
    run_table(root, manifest, plan, 10, TableExecutor(1)).close()
    return optuna.load_study(study_name="study", storage=f"sqlite:///{root / 'studies.db'}")


def test_a_data_frame_of_trials_has_a_column_for_each_fact(opened: optuna.Study) -> None:
    frame = opened.trials_dataframe()
    assert len(frame) == 10 and {f"user_attrs_{name}" for name in ATTRIBUTES} <= set(frame.columns)
    for column in frame.filter(like="user_attrs_"):
        assert not any(isinstance(value, dict | list) for value in frame[column]), column
        assert column == "user_attrs_reason" or not frame[column].isna().any(), column
    assert set(frame["state"]) == {"COMPLETE", "PRUNED"}
    assert set(frame["user_attrs_epochs"]) <= {1, 3, 9} and set(frame["user_attrs_origin"]) == {"drawn"}
    complete = frame[frame["state"] == "COMPLETE"]
    error = "values_error" if len(opened.directions) > 1 else "value_error"
    assert (complete[error] == complete["user_attrs_last_error_percent"]).all()


def test_stopped_trials_have_intermediate_values_with_one_objective(opened: optuna.Study) -> None:
    stopped = opened.get_trials(states=[optuna.trial.TrialState.PRUNED])
    assert stopped
    for trial in stopped:
        if len(opened.directions) > 1:  # where Optuna allows none
            assert not trial.intermediate_values and trial.values is None
        else:
            assert max(trial.intermediate_values) == trial.user_attrs["epochs"]
            last = trial.intermediate_values[trial.user_attrs["epochs"]]
            assert last == trial.user_attrs["last_error_percent"] == trial.value


def test_constraints_are_those_of_optuna_5(opened: optuna.Study) -> None:
    for trial in opened.trials:
        assert trial.constraints == Limits(macs=5_000_000).excess(trial.user_attrs)
        assert trial.constraints["macs"] <= 0


def test_a_trials_parameters_give_its_network(opened: optuna.Study) -> None:
    for trial in opened.trials:
        design = search_spaces.design(trial.params)
        price = search_spaces.price(design.family, design.config, 28)
        assert (price.params, price.macs) == (trial.user_attrs["params"], trial.user_attrs["macs"])


def test_parameters_of_no_network_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="unknown design space 'resnett': did you mean 'resnet"):
        search_spaces.design({"resnett.stages": 2})
    with pytest.raises(UsageError, match="unknown design space ''"):
        search_spaces.design({})
    with pytest.raises(UsageError, match=r"parameter lenet\.kernel_1 of the design space lenet is missing"):
        search_spaces.design({"lenet.width_1": 8})


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optunas_plots_show_a_study(opened: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpl.rcParams, "backend", "Agg")
    plots = optuna.visualization.matplotlib
    complete = len(opened.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    if len(opened.directions) > 1:
        assert points(plots.plot_pareto_front(opened).collections) == complete
    else:
        assert len(plots.plot_intermediate_values(opened).lines) == 10
        assert points(plots.plot_optimization_history(opened).collections) == complete


def points(collections: Iterable[Any]) -> int:
    """How many points the scatter plots among the collections show."""
    return sum(len(collection.get_offsets()) for collection in collections)


def test_a_study_of_older_code_is_read_and_continued(tmp_path: Path, manifest: Manifest) -> None:
    """The file was written before the user attributes were flat; its last trial waits at a rung."""
    with sqlite3.connect(tmp_path / "studies.db") as database:
        database.executescript(OLD.read_text())
    database.close()
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    with Studies(url, tmp_path / "locks") as studies:
        study = studies.open("old")
        plan, before = study.plan, study.trials()
    assert [trial.state for trial in before] == ["stopped"] * 4 + ["complete"] + ["stopped"] * 3 + [None]
    assert [len(trial.rungs) for trial in before] == [1, 1, 2, 1, 3, 1, 1, 1, 1]
    opened = optuna.load_study(study_name="old", storage=url)
    for trial, stored in zip(before, opened.trials, strict=True):
        assert described(search_spaces.design(stored.params)) == trial.config
    studies = run_table(tmp_path, manifest, plan, 11, TableExecutor(1), name="old")
    after = studies.open("old").trials()
    studies.close()
    assert after[:8] == before[:8] and len(after) == 11
    assert all(trial.state in ("complete", "stopped") for trial in after)
    frame = optuna.load_study(study_name="old", storage=url).trials_dataframe()
    assert frame["user_attrs_last_error_percent"].notna().tolist() == [False] * 8 + [True] * 3
    assert isinstance(frame, pd.DataFrame)
