"""A search in PostgreSQL: the password in the storage's URL appears nowhere."""

import time
from pathlib import Path

import psutil
import pytest
from postgres import CANARY, binaries, server, with_user
from verbs import SMALL, started, typed

from pipeline.workspace import Workspace


@pytest.mark.skipif(binaries() is None, reason="PostgreSQL is not installed")
def test_a_password_in_a_storage_url_appears_nowhere(study: Workspace, tmp_path: Path) -> None:
    with server(tmp_path / "server") as address:
        url = with_user(address)
        process = started(study, "search", "lenet", "--trials", "4", *SMALL, "--study", "secret", "--storage", url)
        seen = []
        while process.poll() is None:
            for child in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
                try:
                    seen.append(" ".join(child.cmdline()))
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.2)
        errors = process.communicate()[1].decode()
        assert process.returncode == 0, errors
        assert CANARY not in errors
        late = [line for line in seen[20:] if CANARY in line]  # until the verb has begun its name stands as typed
        assert not late
        said = typed(study, "status", "secret", CONVSTUDY_STORAGE=url)
        assert "study secret: complete, 4 counted" in said and CANARY not in said
        said = typed(study, "status", "secret", "--debug", "--storage", url.replace(CANARY, f"{CANARY}-wrong"), code=4)
        assert CANARY not in said
    for path in study.root.rglob("*"):
        if path.is_file() and "prepared" not in path.parts:
            assert CANARY.encode() not in path.read_bytes(), path
