"""A search in PostgreSQL: the password in the storage's URL appears nowhere."""

import time

import psutil
import pytest
from postgres import CANARY, needs_postgres, new_database
from verbs import SMALL, called, started, typed

from pipeline.workspace import Workspace


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@needs_postgres
def test_a_password_in_a_storage_url_appears_nowhere(
    study: Workspace, postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = new_database(postgres, "secret")
    process = started(study, "search", "lenet", "--trials", "4", *SMALL, "--study", "secret", "--storage", url)
    verb = psutil.Process(process.pid)
    titles, others = [command_line(verb)], []
    while process.poll() is None:
        time.sleep(0.05)
        titles.append(command_line(verb))
        others += [command_line(child) for child in verb.children(recursive=True)]
    errors = process.communicate()[1].decode()
    assert process.returncode == 0, errors
    assert CANARY not in errors
    assert others and not [line for line in others if CANARY in line]
    late = titles[next(index for index, title in enumerate(titles) if title and CANARY not in title) :]
    assert len(late) > 10 and not [title for title in late if CANARY in title]  # until it begins it stands as typed
    monkeypatch.setenv("CONVSTUDY_STORAGE", url)
    said = called(study, "status", "secret") + capsys.readouterr().err
    assert "study secret: complete, 4 counted" in said and CANARY not in said
    said = typed(study, "status", "secret", "--debug", "--storage", url.replace(CANARY, f"{CANARY}-wrong"), code=4)
    assert CANARY not in said
    for path in study.root.rglob("*"):
        if path.is_file() and "prepared" not in path.parts:
            assert CANARY.encode() not in path.read_bytes(), path
