"""`import convstudy` as a script or a notebook uses it."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer.main
from pictures import validation_images, write_pictures
from PIL import Image

import convstudy
from pipeline.actions.searches import read_limits
from pipeline.cost.table import COSTS
from pipeline.data.arrays import open_training_data
from pipeline.evidence.store import RunStore
from pipeline.models.prediction import read_inputs
from pipeline.verbs.app import app
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[2]
OF_A_TRIAL = {
    "state", "config", "params", "macs", "activations", "validation_error_percent", "rungs", "attempts", "reason",
    "train_images_seen", "run",
}  # fmt: skip
"""What the contract promises of a trial, its number apart, which is the index."""


def in_a_script(code: str, folder: Path, **environment: str) -> str:
    """What a script prints that is run in a process of its own."""
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


def test_importing_it_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, convstudy\nprint({'torch', 'mlflow', 'pandas', 'numpy', 'optuna', 'pydantic'} & set(sys.modules))"
    )
    assert in_a_script(code, tmp_path) == "set()\n"


def test_the_lines_of_the_readme_run_as_they_are(first_study: Workspace) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (CHECKOUT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(code.splitlines()) <= 10
    said = in_a_script(code, first_study.root)  # a script without `if __name__ == "__main__":`
    assert "validation_error_percent" in said and "probability" in said and "[3 rows" in said


OF_VERBS_ALONE = {"json_file", "csv_file", "parquet_file", "debug", "quiet", "dry_run"}
OTHERWISE = {("prepare", "image_size"): None}  # "auto" for a verb
LIMITS = {f"max_{cost.name}" for cost in COSTS.values()}


@pytest.mark.parametrize("name", ["prepare", "profile", "train", "search", "finalists"])
def test_a_function_has_the_options_of_its_verb(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {option.name: option.default for option in command.params if option.name not in OF_VERBS_ALONE | LIMITS}
    arguments = dict(inspect.signature(getattr(convstudy, name)).parameters)
    assert set(arguments) - {"quiet", "limits"} == set(options)
    assert ("limits" in arguments) == (name == "search")
    for option, default in options.items():
        own = arguments[option].default
        assert OTHERWISE.get((name, option), default) == (None if own is inspect.Parameter.empty else own), option


def test_tables_have_the_names_and_types_of_the_contract(first_study: Workspace) -> None:
    study = convstudy.study("first")
    trials, front = study.trials(), study.front()
    assert trials.index.name == "number" and set(trials.columns) >= OF_A_TRIAL
    types = {"macs": "int64", "params": "int64", "validation_error_percent": "float64", "learning_rate": "float64"}
    assert {name: str(trials[name].dtype) for name in types} == types
    assert all(isinstance(trials[name].dtype, pd.StringDtype) for name in ("state", "family", "reason", "run"))
    record = study.record
    assert list(front.index) == [trial.number for trial in record.front_trials]
    assert trials["validation_error_percent"].to_list() == [trial.validation_error_percent for trial in record.trials]
    priced = convstudy.profile(trials["config"].iloc[0], no_latency=True)
    assert (priced.macs, priced.params) == (trials["macs"].iloc[0], trials["params"].iloc[0])


def test_runs_and_claims_and_the_population_are_tables(first_study: Workspace) -> None:
    runs = convstudy.runs()
    trials = convstudy.study("first").trials()
    of_study = runs.loc[trials["run"]]
    assert of_study["validation_error_percent"].to_list() == trials["validation_error_percent"].to_list()
    assert of_study["macs"].to_list() == trials["macs"].to_list()
    assert str(runs["finished_at"].dt.tz) == "UTC" and all(Path(path).exists() for path in runs["weights"].dropna())
    claims, parts = convstudy.claims(), convstudy.claims(parts=True)
    assert len(claims) == 70 and set(parts.index.get_level_values("id")) == set(claims.index)
    decided = parts[parts["kind"].eq("empirical") & parts["effect"].notna()]
    assert len(decided) > 20 and (decided["interval_low"] <= decided["interval_high"]).all()
    population = convstudy.population()
    assert population["full_validation_error_percent"].notna().sum() == 40
    assert {"resnet", "densenet"} <= set(population["family"]) and (population["macs"] <= 8_000_000).all()


def test_a_network_answers_alike_whatever_form_an_image_has(first_study: Workspace, tmp_path: Path) -> None:
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
    assert by_path.columns.to_list() == ["class", "probability", *network.class_names]
    each = by_path[list(network.class_names)]
    np.testing.assert_allclose(each.sum(axis=1), 1)
    assert each.idxmax(axis=1).to_list() == by_path["class"].to_list()
    assert len(network.predict([])) == 0 and len(network.predict(images[0])) == 1


def test_a_networks_answers_have_the_error_of_its_run(first_study: Workspace) -> None:
    study = convstudy.study("first")
    network = convstudy.load(study)
    assert network.run == study.front()["run"].iloc[0]
    validation = open_training_data(first_study.prepared_data / "fashion-mnist").validation
    wrong = network.predict(validation.images)["class"] != np.array(network.class_names)[validation.labels]
    assert 100 * wrong.mean() == pytest.approx(study.front()["validation_error_percent"].iloc[0], abs=4)
    assert 100 * wrong.mean() < 85  # on 2,000 of the 10,000 images its run had a similar error


def test_pictures_of_any_size_are_handled_as_prepare_does(first_study: Workspace, tmp_path: Path) -> None:
    folder = write_pictures(first_study.prepared_data / "fashion-mnist", tmp_path / "large", per_class=60)
    for path in folder.rglob("*.png"):  # wide, four times as large, with transparency
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
    assert known <= {image.tobytes() for image in read}  # the others are the test split's


@pytest.mark.parametrize(
    ("images", "error", "said"),
    [
        (np.zeros((28, 28)), convstudy.UsageError, r"images \(dtype=float64\) must be uint8"),
        (np.zeros((28, 28, 4), np.uint8)[None, None], convstudy.UsageError, r"images \(shape=\(1, 1, 28, 28, 4\)\)"),
        ("absent.png", convstudy.DataError, r"there is no file 'absent.png'"),
        (["params.yaml"], convstudy.DataError, r"params.yaml: its content is no image that can be read"),
    ],
)
def test_what_is_no_image_is_refused_by_its_name(
    images: object, error: type[Exception], said: str, first_study: Workspace
) -> None:
    with pytest.raises(error, match=said):
        convstudy.load("first").predict(images)  # type: ignore[arg-type]


def test_what_cannot_be_loaded_names_the_nearest_or_the_command(first_study: Workspace, tmp_path: Path) -> None:
    with pytest.raises(convstudy.UsageError, match="unknown run or study 'frist': did you mean 'first'"):
        convstudy.load("frist")
    trials = convstudy.study("first").trials()
    run = trials.loc[~trials["front"], "run"].iloc[0]
    with pytest.raises(convstudy.StorageError, match=r"is gone: .* keeps those of its front alone"):
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
        with pytest.raises(convstudy.StorageError, match="by the same `convstudy train lenet-small`"):
            convstudy.load(single.run)
        again = convstudy.train("lenet-small", epochs=1, train_images=512, quiet=True)
        assert again.weights_sha256 == single.weights_sha256 == convstudy.load(single.run).finished.weights_sha256
    finally:
        convstudy.workspace(first_study.root)


def test_a_workspace_has_a_params_yaml(first_study: Workspace, tmp_path: Path) -> None:
    with pytest.raises(convstudy.UsageError, match=r"is no workspace: copy the params\.yaml"):
        convstudy.workspace(tmp_path)
    assert convstudy.workspace() == first_study


def test_limits_are_read_as_the_verb_reads_them() -> None:
    same = read_limits({"max_macs": "3M", "max_latency": "5ms", "max_params": None})
    assert same == {"macs": 3_000_000, "latency_seconds": 0.005}
    assert read_limits({"max_macs": 3_000_000}) == read_limits({"max_macs": 3e6}) == {"macs": 3_000_000}
    with pytest.raises(convstudy.UsageError, match="unknown limit 'max_mac': did you mean 'max_macs'"):
        read_limits({"max_mac": 1})
    with pytest.raises(convstudy.UsageError, match=r"--max-latency \(=0.005\) must be a time with its unit"):
        read_limits({"max_latency": 0.005})


def test_progress_is_shown_unless_it_is_turned_off(first_study: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    convstudy.train("lenet-small", epochs=1, train_images=512, seed=1)
    assert "[train] 1/1 lenet-small" in capfd.readouterr().err
    convstudy.train("lenet-small", epochs=1, train_images=512, seed=1, quiet=True)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_impossible_requests_raise_what_the_verbs_exit_with(first_study: Workspace) -> None:
    with pytest.raises(convstudy.UsageError, match="give one of --trials and --hours"):
        convstudy.search("lenet", trials=1, hours=1)
    with pytest.raises(convstudy.DataError, match="nowhere is not prepared: run `convstudy prepare"):
        convstudy.search("lenet", data="nowhere")
    with pytest.raises(convstudy.UsageError, match="unknown network 'lenett'"):
        convstudy.profile("lenett")
