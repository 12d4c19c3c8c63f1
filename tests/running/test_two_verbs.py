"""Two verbs at work in one workspace at once."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.process import BaseProcess

import pytest
from held import hold, release
from processes import LONGEST_SECONDS, wait_until
from small_plans import manifest_of, statuses
from verbs import SMALL, forked, json_of, started

from pipeline.evidence.store import RunStore
from pipeline.process import locked
from pipeline.running.display import Display
from pipeline.running.open_runner import RunnerOptions, open_runner
from pipeline.tracking.location import database_file
from pipeline.workspace import Workspace

TRAIN = ("train", "lenet-small", "--train-images", "512", "--epochs", "3")


@contextmanager
def at_work(*processes: BaseProcess) -> Iterator[None]:
    """End whatever of these processes is left."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def in_training(workspace: Workspace) -> int:
    return len(list(workspace.runs.glob("*/progress.json")))


def waits(verb: "subprocess.Popen[bytes]") -> str:
    """The line in which a verb says that it waits."""
    assert verb.stderr is not None
    return next(line.decode() for line in verb.stderr if b"waiting" in line)


def points_logged(workspace: Workspace) -> list[int]:
    """How often MLflow has each epoch of each run."""
    query = "SELECT count(*) FROM metrics WHERE key = 'epoch' GROUP BY run_uuid, step"
    with closing(sqlite3.connect(database_file(workspace.mlflow))) as database:
        return [count for (count,) in database.execute(query)]


def test_two_trainings_go_on_side_by_side(study: Workspace) -> None:
    hold(study.runs, 1)
    verbs = [forked(study, *TRAIN, "--seed", seed, "--quiet") for seed in ("1", "2")]
    with at_work(*verbs):
        wait_until(lambda: in_training(study) == 2)
        release(study.runs)
        for verb in verbs:
            verb.join(LONGEST_SECONDS)
        assert [verb.exitcode for verb in verbs] == [0, 0]
    assert [folder.result() is not None for folder in RunStore(study.runs)] == [True, True]
    assert statuses(study) == ["FINISHED", "FINISHED"]


def test_a_run_that_another_verb_trains_is_waited_for_and_its_result_reused(study: Workspace) -> None:
    hold(study.runs, 1)
    first = forked(study, *TRAIN, "--quiet")
    with at_work(first):
        wait_until(lambda: in_training(study) == 1)
        (folder,) = RunStore(study.runs)
        second = started(study, *TRAIN, "--json", str(study.root / "second.json"))
        assert f"another process trains run {folder.run}; waiting for its result" in waits(second)
        assert folder.result() is None
        release(study.runs)
        first.join(LONGEST_SECONDS)
        assert first.exitcode == 0
        written = (folder.path / "measurement.json").stat().st_mtime_ns
        second.communicate(timeout=LONGEST_SECONDS)
        assert second.returncode == 0
    result = folder.result()
    assert result is not None
    assert json.loads((study.root / "second.json").read_text())["weights_sha256"] == result.weights_sha256
    assert (folder.path / "measurement.json").stat().st_mtime_ns == written
    assert statuses(study) == ["FINISHED"] and points_logged(study) == [1, 1, 1]


def test_a_run_whose_verb_is_killed_is_taken_over_by_the_one_that_waits(study: Workspace) -> None:
    hold(study.runs, 1)
    first = forked(study, *TRAIN, "--quiet")
    with at_work(first):
        wait_until(lambda: in_training(study) == 1)
        second = started(study, *TRAIN)
        waits(second)
        first.kill()
        second.communicate(timeout=LONGEST_SECONDS)
        assert second.returncode == 0
    (folder,) = RunStore(study.runs)
    result = folder.result()
    assert result is not None and len(result.history) == 3
    assert statuses(study) == ["FINISHED"] and points_logged(study) == [1, 1, 1]


def test_two_searches_of_a_workspace_go_on_side_by_side(study: Workspace) -> None:
    hold(study.runs, 1)
    search = ("search", "lenet", *SMALL, "--trials", "2", "--workers", "1", "--quiet", "--study")
    verbs = [forked(study, *search, name, "--seed", seed) for name, seed in (("one", "1"), ("two", "2"))]
    with at_work(*verbs):
        wait_until(lambda: [row["state"] for row in json_of(study, "studies")] == ["running", "running"])
        release(study.runs)
        for verb in verbs:
            verb.join(LONGEST_SECONDS)
        assert [verb.exitcode for verb in verbs] == [0, 0]
    records = [json_of(study, "status", name) for name in ("one", "two")]
    assert [(record["state"], record["counted"]) for record in records] == [("complete", 2), ("complete", 2)]
    store = RunStore(study.runs)
    for record in records:
        for trial in record["trials"]:
            header = store.folder(trial["run"]).header()
            assert header is not None and record["study"] in {member.parent for member in header.members}
    assert set(statuses(study)) == {"FINISHED"}


class Waits(Exception):  # noqa: N818 - raised instead of waiting
    pass


def refuse_to_wait(text: str) -> None:
    raise Waits(text)


@pytest.mark.parametrize(("alone", "why"), [(True, "networks are timed alone"), (False, "a command that times")])
def test_networks_are_timed_while_no_other_verb_trains(
    study: Workspace, alone: bool, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, options = manifest_of(study), RunnerOptions(workers=1, mirrored=False)
    quiet, impatient = Display("test", 1, quiet=True), Display("test", 1, quiet=True)
    monkeypatch.setattr(impatient, "line", refuse_to_wait)
    with open_runner(study, manifest, "cpu", quiet, options, alone=not alone), pytest.raises(Waits, match=why):
        open_runner(study, manifest, "cpu", impatient, options, alone).__enter__()


def test_those_who_share_a_lock_do_not_wait_for_each_other(study: Workspace) -> None:
    path = study.locks / "shared.lock"
    with locked(path, shared=True), locked(path, shared=True, before_waiting=lambda: pytest.fail("it waits")):
        pass
