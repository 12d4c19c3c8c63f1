"""Storages of studies: SQLite files and a real PostgreSQL server, opened at once by many, wrong, without secrets."""

import os
import socket
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import optuna
import pytest
from postgres import CANARY, needs_postgres, new_database, with_query, with_user
from processes import LONGEST_SECONDS, exit_codes, fresh_processes
from table_search import TableExecutor, run_table, table_plan

import search_spaces
from pipeline.data.manifest import Manifest
from pipeline.errors import StorageError, UsageError
from pipeline.evidence.store import RunStore
from pipeline.evidence.study_records import StudyRecord
from pipeline.search.finalist_runs import run_finalists
from pipeline.search.searches import list_studies, read_study, status
from pipeline.search.storage import hidden, shown, storage_url
from pipeline.search.studies import Studies
from pipeline.settings import FinalistsSettings
from pipeline.workspace import Workspace


@needs_postgres
def test_a_study_in_postgresql_is_that_in_a_file(tmp_path: Path, manifest: Manifest, postgres: str) -> None:
    plan = table_plan(manifest)
    records: list[StudyRecord] = []
    for url in (with_user(postgres), with_query(postgres), None):
        folder = tmp_path / str(len(records))
        studies = run_table(folder, manifest, plan, 12, TableExecutor(1), url, name=f"same-{len(records)}")
        record = read_study(studies.open(f"same-{len(records)}"), RunStore(tmp_path / "runs"))
        records.append(replace(record, study="same"))
        studies.close()
    assert records[0] == records[1] == records[2]
    assert records[0].counted == 12


@needs_postgres
def test_one_driver_at_a_time_holds_a_study_in_postgresql(tmp_path: Path, manifest: Manifest, postgres: str) -> None:
    plan = table_plan(manifest)
    studies = run_table(tmp_path, manifest, plan, 2, TableExecutor(1), with_user(postgres), name="held")
    study = studies.open("held")
    other = Studies(with_user(postgres), tmp_path / "locks")
    with study.driven():
        assert other.open("held").is_driven()
        told = f"study held is searched by process {os.getpid()} on "
        with pytest.raises(StorageError, match=told), other.open("held").driven():
            pass
    assert not other.open("held").is_driven()
    with other.open("held").driven():
        pass
    studies.close()
    other.close()


@needs_postgres
def test_a_driver_that_lost_its_lock_with_its_connection_writes_no_more(
    tmp_path: Path, manifest: Manifest, postgres: str
) -> None:
    plan = table_plan(manifest)
    studies = run_table(tmp_path, manifest, plan, 2, TableExecutor(1), with_user(postgres), name="cut")
    study, other = studies.open("cut"), Studies(with_user(postgres), tmp_path / "locks")
    trial, space = replace(study.trials()[0], number=2, state=None, rungs=()), search_spaces.space(plan.space)
    with study.driven():
        study.add(trial, space)  # which a held lock allows
        with other._storage.engine.connect() as connection:
            holder = "SELECT pid, state FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory'"
            ((pid, state),) = connection.exec_driver_sql(holder).all()
            assert state == "idle"  # not in a transaction, which servers end after a while
            connection.exec_driver_sql("SELECT pg_terminate_backend(%s)", (pid,))
        for _ in range(2):  # and not the second time either, though the connection is made anew
            with pytest.raises(StorageError, match="study cut is no longer held"):
                study.add(replace(trial, number=3), space)
    assert len(study.trials()) == 3 and not other.open("cut").is_driven()
    studies.close()
    other.close()


@needs_postgres
@pytest.mark.parametrize("what", ["wrong password", "no server", "no such database"])
def test_a_database_out_of_reach_is_one_line_without_secrets(tmp_path: Path, postgres: str, what: str) -> None:
    url = {
        "wrong password": with_user(postgres, "wrong-canary"),
        "no server": with_user("postgresql://127.0.0.1:1/postgres"),
        "no such database": with_query(postgres.replace("/postgres", "/nothing")),
    }[what]
    with pytest.raises(StorageError) as raised:
        Studies(url, tmp_path / "locks")
    told = str(raised.value)
    assert told.startswith(f"storage {shown(url)}: ") and "\n" not in told
    assert "canary" not in told and CANARY not in repr(raised.value.__cause__)


def test_a_server_that_does_not_answer_is_left_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.search.studies.CONNECT_SECONDS", 2)  # the shortest that libpq allows
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/db"
        with pytest.raises(StorageError, match="timeout"):
            Studies(url, tmp_path / "locks")


def test_a_torn_or_foreign_sqlite_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "studies.db"
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match=r"storage .*studies\.db: .*not a database"):
        Studies(f"sqlite:///{file}", tmp_path / "locks")


def test_secrets_are_taken_out_of_texts() -> None:
    url = "postgresql://me:s3cr%40t@host:5432/db?sslpassword=deep&user=me"
    assert shown(url) == "postgresql://host:5432/db"
    told = hidden("cannot log in with s3cr%40t or s3cr@t or deep", url)
    assert told == "cannot log in with *** or *** or ***"


def test_an_unknown_storage_is_refused_without_its_secrets(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        storage_url(Workspace(tmp_path), f"mysql://me:{CANARY}@host/db?key={CANARY}")
    assert CANARY not in str(raised.value) and "storage (=mysql…)" in str(raised.value)


@pytest.mark.parametrize(
    "rest",
    [
        "me:canary/ary9@host/db", "me:c#anary@host/db", "me:c?anary@host/db", "me:12/canary@host/db",
        "me:12?canary@host/db", "me:c@nary@127.0.0.1:1/db", "me@host:canary/db", "[::canary", "me:pass@ho canary st/db",
    ],
)  # fmt: skip
def test_a_storage_that_can_be_read_in_two_ways_is_refused_unread(tmp_path: Path, rest: str) -> None:
    with pytest.raises(UsageError, match="must be percent-encoded") as raised:
        storage_url(Workspace(tmp_path), f"postgresql://{rest}")
    assert "nary" not in str(raised.value)


@pytest.mark.parametrize("rest", ["", ":memory:", f"studies.db?key={CANARY}", "file:studies.db?mode=ro&uri=true"])
def test_a_file_with_options_or_none_is_refused(tmp_path: Path, rest: str) -> None:
    with pytest.raises(UsageError, match="must be sqlite:///FILE: one file, without options") as raised:
        storage_url(Workspace(tmp_path), f"sqlite:///{rest}")
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:c%40n%2Fary@host:5432/db?sslmode=require", "postgresql://host/db", "postgresql+psycopg:///db",
        "postgresql://me@[::1]:5432/db", "postgresql:///db?host=/var/run/postgresql", "sqlite:///a file#1@here.db",
    ],
)  # fmt: skip
def test_storages_that_are_well_formed_are_taken_as_they_are(tmp_path: Path, url: str) -> None:
    assert storage_url(Workspace(tmp_path), url) == url


def test_a_workspace_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "50%20 of a?b#c")
    with Studies(storage_url(workspace, None), workspace.locks) as studies:
        assert studies.names() == []
    assert workspace.studies.exists()


@pytest.mark.parametrize(
    "rest", ["me@host:+80/db", "me@host: 80/db", "me@host:99999/db", "me@[host]/db", "me@[::1]x/db"]
)
def test_what_sqlalchemy_alone_would_take_is_refused(tmp_path: Path, rest: str) -> None:
    with pytest.raises(UsageError, match="must be percent-encoded"):
        storage_url(Workspace(tmp_path), f"postgresql://{rest}")


def open_studies(url: str, folder: Path, start: Barrier) -> None:
    start.wait(LONGEST_SECONDS)
    Studies(url, folder).names()


@pytest.mark.parametrize(("processes", "repeats"), [(3, 2), pytest.param(8, 20, marks=pytest.mark.soak)])
@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def test_an_empty_storage_may_be_opened_by_many_at_once(
    tmp_path: Path, url: str, request: pytest.FixtureRequest, processes: int, repeats: int
) -> None:
    for repeat in range(repeats):
        target = f"sqlite:///{tmp_path / f'cold-{repeat}.db'}"
        if url == "postgresql":
            target = new_database(request.getfixturevalue("postgres"), f"cold_{processes}_{repeat}")
        start = fresh_processes().Barrier(processes)
        opening = [
            fresh_processes().Process(target=open_studies, args=(target, tmp_path, start)) for _ in range(processes)
        ]
        assert exit_codes(*opening) == [0] * processes


def test_asking_for_a_study_where_there_is_none_makes_no_storage(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(UsageError, match="unknown study 'mine': there is none yet"):
        status(workspace, "mine", None)
    with pytest.raises(UsageError, match="unknown study 'mine': there is none yet"):
        run_finalists(workspace, "mine", FinalistsSettings())
    assert not workspace.studies.exists()


def test_a_foreign_study_in_the_storage_is_left_out_of_the_list(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert list_studies(workspace, None) == [] and not workspace.studies.exists()
    workspace.studies.parent.mkdir()
    optuna.create_study(storage=f"sqlite:///{workspace.studies}", study_name="foreign")
    assert list_studies(workspace, None) == []
