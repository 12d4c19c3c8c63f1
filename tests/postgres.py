"""A PostgreSQL server of a test's own, where PostgreSQL is installed: a new cluster, a free port, a password."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

CANARY = "canary-8f3a"
"""The password; it must appear in no output and no file of ours."""


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, or None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def _has_name() -> bool:
    try:
        return bool(pwd.getpwuid(os.geteuid()))
    except KeyError:
        return False


needs_postgres = pytest.mark.skipif(
    binaries() is None or not _has_name(),
    reason="PostgreSQL is not installed, or the user has no name",
)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server in `folder`; gives its URL without user info, as in postgresql://HOST:PORT/postgres."""
    programs = binaries()
    assert programs is not None
    folder.mkdir(parents=True)
    password = folder / "password"
    password.write_text(CANARY)
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        for path in (folder, password):
            shutil.chown(path, "postgres")
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o011)
    run(programs / "initdb", "-D", folder / "data", "-A", "scram-sha-256", f"--pwfile={password}", "-U", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(programs / "pg_ctl", "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "start")
    try:
        yield f"postgresql://127.0.0.1:{port}/postgres"
    finally:
        run(programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")


def run(*command: object) -> None:
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*as_postgres, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/tmp")


def new_database(url: str, name: str) -> str:
    """An empty database beside the server's own; its URL with user info."""
    with psycopg.connect(with_user(url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return with_user(url.replace("/postgres", f"/{name}"))


def with_user(url: str, password: str = CANARY) -> str:
    """The URL with user info in it."""
    return url.replace("//", f"//postgres:{password}@", 1)


def with_query(url: str) -> str:
    """The URL with user and password as query values."""
    return f"{url}?user=postgres&password={CANARY}"
