"""The lock of a study: one driver at a time, on any machine.

For an SQLite file it is a lock file in the same folder. For PostgreSQL it is an advisory lock of the database, which
ends with its connection. Both are released when the holder ends, for whatever reason.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError
from pipeline.process import is_held, only_one
from pipeline.search.storage import sqlite_file

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

PATIENCE_SECONDS = 5.0
_TAKE = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_HOLDERS = """
SELECT coalesce(array_agg(pid), '{}') AS holders, pg_backend_pid() AS ours
FROM pg_locks JOIN pg_database ON pg_locks.database = pg_database.oid
WHERE locktype = 'advisory' AND objsubid = 1 AND datname = current_database()
AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0)
"""


class StudyLock:
    """The lock of the study `name` in the storage at `url`; `errors` turns database errors into one line."""

    def __init__(
        self, name: str, url: str, engine: "Engine", errors: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.name, self._engine, self._errors = name, engine, errors
        file = sqlite_file(url)
        self._folder: Path | None = None if file is None else file.resolve().parent / f".{file.name}.locks"
        self._connection: Connection | None = None

    @contextmanager
    def held(self, holder: Callable[[], str] = lambda: "another process") -> Iterator[None]:
        """Hold the lock; raises StorageError that names the holder (for a database, the result of `holder`)."""
        if self._folder is not None:
            with only_one(f"study {self.name}", self._folder, PATIENCE_SECONDS):
                yield
            return
        with self._connected() as connection:
            if not self._asked(connection, _TAKE)[0]:
                raise StorageError(f"study {self.name} is searched by {holder()}; wait for it or stop it")
            self._connection = connection
            try:
                yield
            finally:
                self._connection = None

    def check(self) -> None:
        """Raise StorageError if this process has lost its lock, as happens when a database connection breaks."""
        if self._connection is None:
            return
        try:
            found = self._asked(self._connection, _HOLDERS)
        except StorageError as error:
            raise StorageError(f"{error}; {self._lost()}") from None
        if found.ours not in found.holders:
            raise StorageError(self._lost())

    def _lost(self) -> str:
        return f"study {self.name} is no longer held by this process; run the same command again to resume"

    def is_held(self) -> bool:
        """Whether any process holds the lock."""
        if self._folder is not None:
            return is_held(f"study {self.name}", self._folder)
        with self._connected() as connection:
            return bool(self._asked(connection, _HOLDERS).holders)

    @contextmanager
    def _connected(self) -> Iterator["Connection"]:
        with self._errors():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")  # no open transaction
        try:
            yield connection
        finally:
            connection.invalidate()  # ends the connection and the lock
            connection.close()

    def _asked(self, connection: "Connection", query: str) -> "Row[Any]":
        with self._errors():
            return connection.exec_driver_sql(query, (f"convstudy {self.name}",)).one()
