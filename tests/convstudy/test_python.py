"""`import convstudy`, used as in a script or a notebook."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer.main
from pictures import validation_images, write_pictures
from PIL import Image

import convstudy
from pipeline.cost.limits import read_limits
from pipeline.cost.table import COSTS
from pipeline.data.arrays import open_training_data
from pipeline.evidence.store import RunStore
from pipeline.models.prediction import read_inputs
from pipeline.verbs.app import app
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[2]
TRIAL_COLUMNS = {
    "state", "config", "params", "macs", "activations", "validation_error_percent", "rungs", "attempts", "reason",
    "train_images_seen", "run",
}  # fmt: skip
"""The columns that a table of trials always has; the number of a trial is the index."""


def output_of(code: str, folder: Path, **environment: str) -> str:
    """Run a script in its own process and return its standard output."""
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_loads_no_large_package(tmp_path: Path) -> None:
    code = (
        "import sys, convstudy\nprint({'torch', 'mlflow', 'pandas', 'numpy', 'optuna', 'pydantic'} & set(sys.modules))"
    )
    assert output_of(code, tmp_path) == "set()\n"


def test_the_example_in_the_readme_runs(first_study: Workspace) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (CHECKOUT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(code.splitlines()) <= 10
    printed = output_of(code, first_study.root)  # a script without `if __name__ == "__main__":`
    assert "validation_error_percent" in printed and "probability" in printed and "[3 rows" in printed


VERB_ONLY = {"json_file", "csv_file", "parquet_file", "debug", "quiet", "dry_run"}
OTHER_DEFAULTS = {("prepare", "image_size"): None}  # the verb has "auto"
LIMITS = {f"max_{cost.name}" for cost in COSTS.values()}


@pytest.mark.parametrize("name", ["prepare", "profile", "train", "search", "finalists"])
def test_a_function_has_the_options_and_defaults_of_its_verb(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {option.name: option.default for option in command.params if option.name not in VERB_ONLY | LIMITS}
    arguments = dict(inspect.signature(getattr(convstudy, name)).parameters)
    assert set(arguments) - {"quiet", "limits"} == set(options)
    assert ("limits" in arguments) == (name == "search")
    for option, default in options.items():
        own = arguments[option].default
        assert OTHER_DEFAULTS.get((name, option), default) == (None if own is inspect.Parameter.empty else own), option


def test_tables_of_trials_have_the_agreed_columns_and_types(first_study: Workspace) -> None:
    study = convstudy.study("first")
    trials, front = study.trials(), study.front()
    assert trials.index.name == "number" and set(trials.columns) >= TRIAL_COLUMNS
    types = {"macs": "int64", "params": "int64", "validation_error_percent": "float64", "learning_rate": "float64"}
    assert {name: str(trials[name].dtype) for name in types} == types
    assert all(isinstance(trials[name].dtype, pd.StringDtype) for name in ("state", "family", "reason", "run"))
    record = study.record
    assert list(front.index) == [trial.number for trial in record.front_trials]
    assert trials["validation_error_percent"].to_list() == [trial.validation_error_percent for trial in record.trials]
    priced = convstudy.profile(trials["config"].iloc[0], no_latency=True)
    assert (priced.macs, priced.params) == (trials["macs"].iloc[0], trials["params"].iloc[0])


def test_runs_claims_and_the_population_are_tables(first_study: Workspace) -> None:
    runs = convstudy.runs()
    trials = convstudy.study("first").trials()
    study_runs = runs.loc[trials["run"]]
    assert study_runs["validation_error_percent"].to_list() == trials["validation_error_percent"].to_list()
    assert study_runs["macs"].to_list() == trials["macs"].to_list()
    assert str(runs["finished_at"].dt.tz) == "UTC" and all(Path(path).exists() for path in runs["weights"].dropna())
    claims, parts = convstudy.claims(), convstudy.claims(parts=True)
    assert len(claims) == 70 and set(parts.index.get_level_values("id")) == set(claims.index)
    decided = parts[parts["kind"].eq("empirical") & parts["effect"].notna()]
    assert len(decided) > 20 and (decided["interval_low"] <= decided["interval_high"]).all()
    population = convstudy.population()
    assert population["full_validation_error_percent"].notna().sum() == 40
    assert {"resnet", "densenet"} <= set(population["family"]) and (population["macs"] <= 8_000_000).all()


def test_predictions_do_not_depend_on_the_form_of_the_images(first_study: Workspace, tmp_path: Path) -> None:
    network = convstudy.load("first")
    images = validation_images(first_study.prepared_data / "fashion-mnist", 7, 5)
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    by_path = network.predict(paths)
    assert by_path.index.to_list() == [str(path) for path in paths] and by_path.index.name == "path"
    for form in (images, list(images), images[:, None], np.stack([images] * 3, -1), map(Image.fromarray, images)):
        answers = network.predict(form, batch_size=2)
        assert answers.index.name == "image" and answers.index.to_list() == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(answers.drop(columns="class"), by_path.drop(columns="class"), rtol=1e-4, atol=1e-6)
    names = [f"probability_{name}" for name in network.class_names]
    assert by_path.columns.to_list() == ["class", "probability", *names]
    np.testing.assert_allclose(by_path[names].sum(axis=1), 1)
    assert by_path[names].max(axis=1).to_list() == by_path["probability"].to_list()
    best = by_path[names].to_numpy().argmax(axis=1)
    assert by_path["class"].to_list() == [network.class_names[number] for number in best]
    assert len(network.predict([])) == 0 and len(network.predict(images[0])) == 1
    assert network.predict([paths[0], images[1], paths[0]]).index.to_list() == [str(paths[0]), 1, str(paths[0])]


def test_classes_named_like_the_columns_of_a_prediction_do_not_collide(first_study: Workspace) -> None:
    network = convstudy.load("first")
    images = validation_images(first_study.prepared_data / "fashion-mnist", 7, 3)
    names = ("class", "probability", "probability_class", *network.class_names[3:])
    info = network.finished.info
    renamed = replace(info, data=replace(info.data, class_names=names))
    answers = convstudy.Network(network.run, replace(network.finished, info=renamed)).predict(images)
    assert answers.columns.is_unique and answers.shape == (3, 2 + len(names))
    np.testing.assert_array_equal(answers.to_numpy()[:, 1:], network.predict(images).to_numpy()[:, 1:])


def test_predictions_have_the_error_of_the_run(first_study: Workspace) -> None:
    study = convstudy.study("first")
    network = convstudy.load(study)
    assert network.run == study.front()["run"].iloc[0]
    validation = open_training_data(first_study.prepared_data / "fashion-mnist").validation
    wrong = network.predict(validation.images)["class"] != np.array(network.class_names)[validation.labels]
    assert 100 * wrong.mean() == pytest.approx(study.front()["validation_error_percent"].iloc[0], abs=4)
    assert 100 * wrong.mean() < 85  # better than chance; its run was scored on fewer validation images


def test_predict_preprocesses_pictures_of_any_size_as_prepare_does(first_study: Workspace, tmp_path: Path) -> None:
    folder = write_pictures(first_study.prepared_data / "fashion-mnist", tmp_path / "large", per_class=60)
    for path in folder.rglob("*.png"):  # not square, larger, with transparency
        picture = Image.open(path).resize((160, 112)).convert("RGBA")
        picture.putalpha(200)
        picture.save(path)
    manifest = convstudy.prepare(folder, name="large", image_size=28, quiet=True)
    assert manifest.image_shape == (3, 28, 28)
    network = convstudy.load(convstudy.train("lenet-small", data="large", epochs=1, quiet=True).run)
    prepared = open_training_data(first_study.prepared_data / "large")
    known = {image.tobytes() for split in (prepared.train, prepared.validation) for image in np.array(split.images)}
    read = read_inputs(network.finished, sorted(folder.rglob("*.png")))
    assert read.shape == (120, 3, 28, 28)
    assert known <= {image.tobytes() for image in read}  # the others are in the test split


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((28, 28)), convstudy.UsageError, r"images \(dtype=float64\) must be uint8"),
        (np.zeros((28, 28, 4), np.uint8)[None, None], convstudy.UsageError, r"images \(shape=\(1, 1, 28, 28, 4\)\)"),
        ("absent.png", convstudy.DataError, r"there is no file 'absent.png'"),
        (["params.yaml"], convstudy.DataError, r"params.yaml: its content is not a readable image"),
    ],
)
def test_predict_refuses_what_is_not_an_image(
    images: object, error: type[Exception], message: str, first_study: Workspace
) -> None:
    with pytest.raises(error, match=message):
        convstudy.load("first").predict(images)  # type: ignore[arg-type]


def test_load_names_the_nearest_study_or_how_to_restore_weights(first_study: Workspace, tmp_path: Path) -> None:
    with pytest.raises(convstudy.UsageError, match="unknown run or study 'frist': did you mean 'first'"):
        convstudy.load("frist")
    trials = convstudy.study("first").trials()
    run = trials.loc[~trials["front"], "run"].iloc[0]
    with pytest.raises(convstudy.StorageError, match=r"is gone: .* keeps only those of its front"):
        convstudy.load(run)
    with pytest.raises(convstudy.UsageError, match="unknown device 'tpu'"):
        convstudy.load("first", device="tpu")
    copy = Path(shutil.copytree(first_study.root, tmp_path / "copy", symlinks=True))
    try:
        convstudy.workspace(copy)
        for path in copy.glob("runs/*/weights.safetensors"):
            path.unlink()
        with pytest.raises(convstudy.StorageError, match="run the same `convstudy search` again"):
            convstudy.load("first")
        single = convstudy.train("lenet-small", epochs=1, train_images=512, quiet=True)
        RunStore(copy / "runs").folder(single.run).weights.unlink()
        with pytest.raises(convstudy.StorageError, match="run the same `convstudy train lenet-small` again"):
            convstudy.load(single.run)
        again = convstudy.train("lenet-small", epochs=1, train_images=512, quiet=True)
        assert again.weights_sha256 == single.weights_sha256 == convstudy.load(single.run).finished.weights_sha256
    finally:
        convstudy.workspace(first_study.root)


def test_a_folder_without_params_yaml_is_not_a_workspace(first_study: Workspace, tmp_path: Path) -> None:
    with pytest.raises(convstudy.UsageError, match=r"is not a workspace: copy the params\.yaml"):
        convstudy.workspace(tmp_path)
    assert convstudy.workspace() == first_study


def test_limits_are_numbers_or_text_with_units() -> None:
    same = read_limits({"max_macs": "3M", "max_latency": "5ms", "max_params": None})
    assert same == {"macs": 3_000_000, "latency_seconds": 0.005}
    assert read_limits({"max_macs": 3_000_000}) == read_limits({"max_macs": 3e6}) == {"macs": 3_000_000}
    with pytest.raises(convstudy.UsageError, match="unknown limit 'max_mac': did you mean 'max_macs'"):
        read_limits({"max_mac": 1})
    with pytest.raises(convstudy.UsageError, match=r"--max-latency \(=0.005\) must be a time with its unit"):
        read_limits({"max_latency": 0.005})


def test_progress_is_shown_unless_quiet(first_study: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    convstudy.train("lenet-small", epochs=1, train_images=512, seed=1)
    assert "[train] 1/1 lenet-small" in capfd.readouterr().err
    convstudy.train("lenet-small", epochs=1, train_images=512, seed=1, quiet=True)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_impossible_requests_raise_the_errors_of_the_verbs(first_study: Workspace) -> None:
    with pytest.raises(convstudy.UsageError, match="give one of --trials and --hours"):
        convstudy.search("lenet", trials=1, hours=1)
    with pytest.raises(convstudy.DataError, match="nowhere is not prepared: run `convstudy prepare"):
        convstudy.search("lenet", data="nowhere")
    with pytest.raises(convstudy.UsageError, match="unknown network 'lenett'"):
        convstudy.profile("lenett")
