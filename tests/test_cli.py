"""The command line as scripts use it: verbs, JSON, exit codes, one-line errors."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from conftest import make_study
from verbs import typed

import search_spaces
from pipeline.verbs.app import app, main
from pipeline.verbs.options import Output
from pipeline.workspace import Workspace

Convstudy = Callable[..., tuple[int, str, str]]


@pytest.fixture
def convstudy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Convstudy]:
    """Call the command line in this process: (exit code, stdout, stderr)."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["convstudy", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_help_and_version_load_neither_torch_nor_mlflow() -> None:
    code = (
        "import sys; sys.argv = ['convstudy', '--help']\n"
        "from pipeline.verbs.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'mlflow', 'pandas', 'numpy', 'optuna', 'pydantic', 'psutil'} & set(sys.modules)\n"
        "assert not heavy - {'psutil'}, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ["prepare", "architectures", "profile", "train", "reproduce", "report", "ui", "doctor", "gc", "replay"]:
        assert re.search(rf"^\W*{verb}\b", done.stdout, flags=re.MULTILINE), verb


def test_without_a_verb_the_help_is_shown(convstudy: Convstudy) -> None:
    code, out, _ = convstudy()
    assert code == 0 and "Usage: convstudy" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train"], "Missing argument"),
        (["train", "lenet-small", "--epochz", "3"], "No such option"),
        (["train", "lenet-small", "--epochs", "x"], "valid integer"),
        (["train", "resnet81"], "unknown network 'resnet81': did you mean 'resnet18'?"),
        (["train", "lenet-small", "--recipe", "comon"], "unknown recipe 'comon': did you mean 'common'?"),
        (["train", "lenet-small", "--lr", "-1"], "learning_rate (=-1.0) must be positive and finite"),
        (["train", "lenet-small", "--device", "tpu"], "unknown device 'tpu'"),
        (["train", "lenet-small", "--train-images", "10"], "batch_size (=64) must be at most the training images"),
        (["train", "missing.json"], "cannot read missing.json"),
        (["profile", "alexnet", "--resolution", "64"], "its smallest input is 65 pixels"),
        (["profile", "lenett"], "did you mean 'lenet'"),
        (["reproduce", "--profile", "quik"], "unknown profile 'quik': did you mean 'quick'?"),
        (["prepare", "fashion-mnits"], "did you mean 'fashion-mnist'?"),
        (["prepare", "--image-size", "big"], "--image-size (=big)"),
        (["contact-sheet", "common"], "no augmentations"),
    ],
)
def test_a_users_mistake_is_one_line_that_names_it_and_exit_code_2(
    arguments: list[str], message: str, convstudy: Convstudy, study: Workspace
) -> None:
    code, out, err = convstudy(*arguments)
    assert code == 2
    assert message in err and err.startswith("error: ") and err.count("\n") == 1 and out == ""


def test_debug_shows_the_traceback(convstudy: Convstudy, study: Workspace) -> None:
    code, _, err = convstudy("profile", "lenett", "--debug")
    assert code == 2 and "Traceback" in err and err.endswith("error: unknown network 'lenett': did you mean 'lenet'?\n")
    study.runs.write_text("a file where the run store should be")
    code, _, err = convstudy("train", "lenet-small", "--debug")
    assert code == 4 and "Traceback" in err and "error: " in err


def test_a_value_that_reads_like_debug_shows_no_traceback(convstudy: Convstudy, study: Workspace) -> None:
    code, _, err = convstudy("prepare", "--", "--debug")
    assert code == 2 and "'--debug'" in err and "Traceback" not in err


def test_every_verb_takes_json_debug_and_quiet() -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {"experiment", "train", "gc"} <= set(verbs)
    for name, command in verbs.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--json", "--debug", "--quiet"} <= options, name


@pytest.mark.parametrize(
    ("json_file", "quiet", "out", "err"),
    [
        (None, False, "line\nanswer\n", ""),
        (None, True, "", ""),
        ("-", False, "[\n  1\n]\n", "line\n"),
        ("-", True, "[\n  1\n]\n", ""),
        ("file.json", False, "line\n", ""),
        ("file.json", True, "", ""),
    ],
)
def test_json_and_quiet_say_where_lines_and_the_answer_go(
    json_file: str | None, quiet: bool, out: str, err: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    output = Output(None if json_file is None else Path(json_file), quiet)
    output.line("line")
    output.answer([1], "answer")
    assert capsys.readouterr() == (out, err)
    assert [path.read_text() for path in tmp_path.iterdir()] == (["[\n  1\n]\n"] if json_file == "file.json" else [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "must hold"),
        ('{"family": "resnet"}', "must be"),
        ('{"family": "resnett", "config": {}}', "did you mean 'resnet'"),
        ('{"family": "resnet", "config": {"depths": [1], "width": [8]}}', "did you mean 'widths'"),
        ('{"family": "resnext", "config": {"depths": [1], "widths": [64], "groups": 3}}', "groups (=3) must divide"),
    ],
)
def test_a_bad_config_file_is_refused_naming_what_is_wrong(
    content: str, message: str, convstudy: Convstudy, tmp_path: Path
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    code, _, err = convstudy("profile", str(path))
    assert code == 2 and message in err and err.count("\n") == 1


def test_data_that_are_not_prepared_are_exit_code_3_and_say_what_to_do(convstudy: Convstudy, study: Workspace) -> None:
    code, _, err = convstudy("train", "lenet-small", "--data", "cifar10")
    assert code == 3 and "run `convstudy prepare cifar10`" in err


def test_a_disk_that_refuses_is_exit_code_4_and_names_the_path(convstudy: Convstudy, study: Workspace) -> None:
    study.runs.write_text("a file where the run store should be")
    code, _, err = convstudy("train", "lenet-small", "--quiet")
    assert code == 4 and str(study.runs) in err


def test_architectures_lists_every_reference(convstudy: Convstudy) -> None:
    code, out, _ = convstudy("architectures", "--json", "-")
    rows = json.loads(out)
    assert code == 0 and {row["name"] for row in rows} == set(search_spaces.references())
    assert {"name", "family", "params", "macs", "resolution"} <= set(rows[0])
    assert "resnext50-32x4d" in convstudy("architectures")[1]


def test_a_profile_as_json_has_the_contracts_keys(convstudy: Convstudy, tmp_path: Path) -> None:
    config = tmp_path / "mine.json"
    config.write_text(
        '{"family": "resnet", "config": {"depths": [1], "widths": [16], "stem": "small", "stem_width": 8}}'
    )
    code, out, _ = convstudy("profile", str(config), "--channels", "3", "--classes", "4", "--no-latency", "--json", "-")
    value = json.loads(out)
    assert code == 0 and value["name"] == "mine" and value["channels"] == 3 and value["classes"] == 4
    promised = (
        "name family config resolution channels classes params params_dense macs fvcore_total uncounted_operators "
    )
    promised += "activations saved_bytes_per_sample latency_seconds layers"
    assert set(promised.split()) <= set(value)
    assert value["params_dense"] == 16 * 4 + 4


def test_train_writes_its_result_to_standard_output_alone_and_finds_it_again(
    convstudy: Convstudy, study: Workspace, tmp_path: Path
) -> None:
    arguments = [
        "train",
        "lenet-small",
        "--train-images",
        "256",
        "--epochs",
        "2",
        "--test",
        "--workdir",
        str(tmp_path / "w"),
    ]
    code, out, err = convstudy(*arguments, "--json", "-")
    value = json.loads(out)
    assert code == 0 and value["state"] == "complete" and len(value["history"]) == 2
    promised = "name config recipe data seed run state reason history test_error_percent weights_sha256 measurement"
    assert set(promised.split()) <= set(value)
    assert len(value["measurement"]["images_per_second"]) == 2 and value["measurement"]["train_seconds"] > 0
    assert "1/1 lenet-small" in err
    assert (tmp_path / "w" / "runs" / value["run"] / "result.json").exists() and not study.runs.exists()
    code, out, err = convstudy(*arguments, "--json", "-", "--quiet")
    assert code == 0 and json.loads(out) == value and err == ""


def test_results_do_not_depend_on_process_locale_or_hash_seed(
    convstudy: Convstudy, prepared_fashion_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = ("train", "lenet-small", "--train-images", "256", "--quiet")
    elsewhere = make_study(tmp_path / "elsewhere", prepared_fashion_mnist, monkeypatch)
    typed(elsewhere, *verb, PYTHONHASHSEED="2", LC_ALL="C.UTF-8", TZ="Asia/Tokyo")
    here = make_study(tmp_path / "here", prepared_fashion_mnist, monkeypatch)
    assert convstudy(*verb)[0] == 0
    (one,), (other,) = (list(workspace.runs.glob("*/result.json")) for workspace in (here, elsewhere))
    assert one.parent.name == other.parent.name and one.read_bytes() == other.read_bytes()


def test_a_run_that_diverges_is_exit_code_5_with_its_reason_and_complete_json(
    convstudy: Convstudy, study: Workspace, tmp_path: Path
) -> None:
    target = tmp_path / "run.json"
    code, _, err = convstudy("train", "lenet-small", "--train-images", "256", "--lr", "1e30", "--json", str(target))
    assert code == 5 and "diverged" in err
    assert json.loads(target.read_text())["state"] == "failed"


def test_gc_tells_and_removes_leftovers_and_on_demand_weights(convstudy: Convstudy, study: Workspace) -> None:
    code, out, _ = convstudy("train", "lenet-small", "--train-images", "256", "--epochs", "1", "--json", "-", "--quiet")
    assert code == 0
    folder = study.runs / json.loads(out)["run"]
    (folder / "checkpoint-00001.pt").write_bytes(b"x" * 1000)
    code, out, _ = convstudy("gc", "--dry-run", "--json", "-")
    (item,) = json.loads(out)
    assert code == 0 and item["bytes"] == 1000 and item["path"].endswith("checkpoint-00001.pt")
    assert (folder / "checkpoint-00001.pt").exists()
    assert convstudy("gc", "--weights")[0] == 0
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".lock" and path.name != ".lock") == [
        "measurement.json",
        "result.json",
        "run.json",
    ]


def test_doctor_finds_a_healthy_study_and_names_a_broken_one(convstudy: Convstudy, study: Workspace) -> None:
    code, out, _ = convstudy("doctor", "--json", "-")
    found = json.loads(out)
    assert code == 0 and "FAULT" not in out and "torch" in found["versions"]
    study.params_file.write_text("profile: quick\nprofils: {}\n")
    assert "FAULT" in convstudy("doctor")[1]


def test_report_without_records_is_refused(convstudy: Convstudy, study: Workspace) -> None:
    code, _, err = convstudy("report")
    assert code == 2 and "nothing to report" in err


def test_bench_search_refuses_what_it_does_not_know_or_have(convstudy: Convstudy, study: Workspace) -> None:
    code, _, err = convstudy("bench-search", "--samplers", "nsga")
    assert code == 2 and "did you mean 'nsga2'" in err
    code, _, err = convstudy("bench-search", "--table", "nowhere.json")
    assert code == 2 and "nowhere.json does not exist" in err
