"""The lock of a study: one driver at a time, on whatever machine.

Of an SQLite file it lies beside it; of a PostgreSQL database it is one of the database's own, which ends with its
connection. Either is dropped when its holder ends, however it ends.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.process import is_held, only_one
from pipeline.search.storage import sqlite_file

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

PATIENCE_SECONDS = 5.0
_ADVISORY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"


class StudyLock:
    """The lock of the study `name` in the storage at `url`; `told` makes one line of what a database raises."""

    def __init__(self, name: str, url: str, engine: "Engine", told: Callable[[], AbstractContextManager[None]]) -> None:
        self.name, self._engine, self._told = name, engine, told
        file = sqlite_file(url)
        self._folder: Path | None = None if file is None else file.parent / f".{file.name}.locks"

    @contextmanager
    def held(self, holder: Callable[[], str] = lambda: "another process") -> Iterator[None]:
        """Hold the lock; raises StorageError saying who holds it (of a database, what `holder` says)."""
        if self._folder is not None:
            with only_one(f"study {self.name}", self._folder, PATIENCE_SECONDS):
                yield
            return
        with self._connected() as connection:
            if not self._acquired(connection):
                raise StorageError(f"study {self.name} is searched by {holder()}; wait for it or stop it")
            yield

    def is_held(self) -> bool:
        """Whether some process holds the lock."""
        if self._folder is not None:
            return is_held(f"study {self.name}", self._folder)
        with self._connected() as connection:
            return not self._acquired(connection)

    @contextmanager
    def _connected(self) -> Iterator["Connection"]:
        with self._told():
            connection = self._engine.connect()
        try:
            yield connection
        finally:
            connection.invalidate()  # ends it, and the lock
            connection.close()

    def _acquired(self, connection: "Connection") -> bool:
        with self._told():
            return bool(connection.exec_driver_sql(_ADVISORY_LOCK, (f"convstudy {self.name}",)).scalar())
