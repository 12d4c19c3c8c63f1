"""Studies in an Optuna storage. It is the only source of truth during a search, and only the driver writes to it.

A trial is added in one transaction when its training is requested. In Optuna it is RUNNING until it ends as COMPLETE
(trained in full), PRUNED (stopped at a rung) or FAIL. Its Optuna parameters are those of its network. An attribute
holds the full point of the space. Refused and duplicate candidates are not stored. The next trial holds their counts,
so neither the storage nor a sampler's history grows with them.
"""

import contextlib
import os
import socket
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage

from pipeline.errors import StorageError, UsageError, unknown_name
from pipeline.evidence.study_records import Budget, SearchPlan, Trial
from pipeline.files import is_writable
from pipeline.process import only_one, uninterrupted
from pipeline.schema import parse, to_json
from pipeline.search.lock import StudyLock
from pipeline.search.samplers import silence
from pipeline.search.storage import hidden, shown, sqlite_file
from pipeline.search.stored_trials import add_trial, read_trial, update_trial
from search_spaces import Space

_PLAN, _BUDGET, _SPENT, _TAIL, _EXHAUSTED, _HOLDER = "plan", "budget", "spent_seconds", "tail", "exhausted", "holder"
_GUESSING = "guessing_error_percent"
_MEASURED = "measured "
CONNECT_SECONDS = 5
"""How long a server may take to answer. Signals wait for it, and a search must end within 10 s of a signal."""
ANSWER_SECONDS = 8
"""How long a connection may be silent before it counts as broken."""
_ALIVE = {"keepalives_idle": 2, "keepalives_interval": 2, "keepalives_count": 3}


class Studies:
    """All studies of one storage, given by its database URL. Use it as a context manager to close the connections."""

    def __init__(self, url: str, locks: Path) -> None:
        """Raises StorageError, without any password, if the database cannot be reached."""
        silence()
        self.url, self.locks = url, locks
        file = sqlite_file(url)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        if file is not None and file.exists() and not (is_writable(file) and is_writable(file.parent)):
            with self.storage_errors():
                self._storage = RDBStorage(url, engine_kwargs={"creator": lambda: _read_only(file)})
            return
        alone = only_one("create-studies", locks, 60.0) if is_writable(locks) else contextlib.nullcontext()
        with alone, self.storage_errors():  # two processes must not create tables at once
            self._storage = RDBStorage(url, engine_kwargs=_engine(url))
            if file is not None:
                self._storage.engine.dispose()
                sqlalchemy.event.listen(self._storage.engine, "connect", _log_ahead)
                self._storage.engine.connect().close()  # nor change the journal mode at once

    def names(self) -> list[str]:
        """The names of all studies, sorted."""
        with self.storage_errors():
            return sorted(optuna.get_all_study_names(self._storage))

    def create(self, name: str, plan: SearchPlan) -> "StoredStudy":
        """Create a study with its plan."""
        with self.storage_errors():
            study = optuna.create_study(
                storage=self._storage, study_name=name, directions=["minimize"] * len(plan.objectives)
            )
            study.set_user_attr(_PLAN, to_json(plan))
            with warnings.catch_warnings():  # experimental in Optuna; for those who browse the storage
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(list(plan.objectives))
        return StoredStudy(self, name)

    def open(self, name: str) -> "StoredStudy":
        """Open the study of that name; raises UsageError that names the nearest one."""
        names = self.names()
        if name not in names:
            raise unknown_name("study", name, names)
        return StoredStudy(self, name)

    def remove(self, name: str) -> None:
        """Delete a study; its trainings stay in the run store. Raises StorageError while it is searched."""
        with self.lock(name).held(), self.storage_errors():
            optuna.delete_study(study_name=name, storage=self._storage)

    def lock(self, name: str) -> StudyLock:
        """The lock of the study of that name."""
        return StudyLock(name, self.url, self._storage.engine, self.storage_errors)

    @property
    def optuna_storage(self) -> RDBStorage:
        """The storage itself, for other tools of Optuna."""
        return self._storage

    def __enter__(self) -> "Studies":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database connections."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @contextlib.contextmanager
    def storage_errors(self) -> Iterator[None]:
        """Delay signals until the transaction ends, and turn database errors into one line without passwords."""
        try:
            with uninterrupted():
                yield
        except (StorageError, UsageError):
            raise
        except Exception as error:  # the errors of SQLAlchemy, of the driver and of Optuna have no common base
            cause = error.__cause__ or error
            raise StorageError(f"storage {shown(self.url)}: {hidden(' '.join(str(cause).split()), self.url)}") from None


class StoredStudy:
    """One study; only the driver that holds its lock writes."""

    def __init__(self, studies: Studies, name: str) -> None:
        self.name, self._studies, self._storage = name, studies, studies._storage
        with studies.storage_errors():
            self._study = optuna.load_study(study_name=name, storage=self._storage)
            attributes = self._study.user_attrs
        if _PLAN not in attributes:
            raise UsageError(
                f"study {name!r} was not created by convstudy, or its creation was interrupted: --fresh starts over"
            )
        self.plan = parse(SearchPlan, attributes[_PLAN], f"plan of study {name}")
        self._lock = studies.lock(name)
        self._ids: dict[int, int] = {}

    @property
    def storage_id(self) -> int:
        """The study's number in its storage."""
        return self._study._study_id

    @property
    def budget(self) -> Budget | None:
        """The budget of the last driver."""
        value = self._attributes().get(_BUDGET)
        return None if value is None else parse(Budget, value, f"budget of study {self.name}")

    @property
    def spent_seconds(self) -> float:
        """Wall time of all drivers so far."""
        return float(self._attributes().get(_SPENT, 0.0))

    @property
    def tail(self) -> tuple[int, int]:
        """Refused and duplicate candidates since the last trial, if a driver found nothing new."""
        refused, duplicates = self._attributes().get(_TAIL, (0, 0))
        return refused, duplicates

    @property
    def exhausted(self) -> bool:
        """Whether the space has no new network within the limits."""
        return bool(self._attributes().get(_EXHAUSTED, False))

    @property
    def guessing_error_percent(self) -> float | None:
        """The error of always answering with the most frequent class; None if it was not stored."""
        value: float | None = self._attributes().get(_GUESSING)
        return value

    def note(
        self,
        *,
        budget: Budget | None = None,
        spent_seconds: float | None = None,
        guessing_error_percent: float | None = None,
    ) -> None:
        """Store the budget, the time spent, or the error of guessing."""
        if guessing_error_percent is not None:
            self._set(_GUESSING, guessing_error_percent)
        if budget is not None:
            self._set(_BUDGET, to_json(budget))
        if spent_seconds is not None:
            self._set(_SPENT, spent_seconds)

    def note_exhausted(self, exhausted: bool, tail: tuple[int, int] = (0, 0)) -> None:
        """Store whether the space is exhausted. `tail`: (refused, duplicates) since the last trial."""
        if exhausted != self.exhausted or tail != self.tail:
            self._set(_TAIL, list(tail))
            self._set(_EXHAUSTED, exhausted)

    def measured(self) -> dict[str, dict[str, float]]:
        """Measured costs by network, including refused networks."""
        found = {key: costs for key, costs in self._attributes().items() if key.startswith(_MEASURED)}
        return {key.removeprefix(_MEASURED): costs for key, costs in found.items()}

    def note_measured(self, network: str, costs: dict[str, float]) -> None:
        """Store the measured costs of one more network."""
        self._set(_MEASURED + network, costs)

    def trials(self) -> list[Trial]:
        """Every trial, in order."""
        with self._studies.storage_errors():
            stored = self._study.get_trials(deepcopy=False)
        self._ids = {trial.number: trial._trial_id for trial in stored}
        return [read_trial(trial) for trial in stored]

    def add(self, trial: Trial, space: Space) -> None:
        """Add a trial in one transaction; `trial.number` must be the next number."""
        self._lock.check()
        with self._studies.storage_errors():
            self._ids[trial.number] = add_trial(self._storage, self._study._study_id, trial, self.plan, space)

    def update(self, trial: Trial) -> None:
        """Store the progress or the end of a trial in one transaction."""
        self._lock.check()
        with self._studies.storage_errors():
            update_trial(self._storage, self._ids[trial.number], trial, self.plan)

    @contextlib.contextmanager
    def driven(self) -> Iterator[None]:
        """Hold the study's lock; raises StorageError that names the holder."""
        with self._lock.held(lambda: self._attributes().get(_HOLDER, "another process")):
            self._set(_HOLDER, f"process {os.getpid()} on {socket.gethostname()}")
            yield

    def is_driven(self) -> bool:
        """Whether any driver holds the study."""
        return self._lock.is_held()

    def _attributes(self) -> dict[str, Any]:
        with self._studies.storage_errors():
            return dict(self._study.user_attrs)

    def _set(self, key: str, value: Any) -> None:
        with self._studies.storage_errors():
            self._study.set_user_attr(key, value)


def _log_ahead(connection: Any, _: object) -> None:
    """Turn on SQLite's write-ahead log: a commit takes 0.2 ms instead of 2, and readers do not block the driver.

    A killed process loses nothing. A power failure can lose the last commits, but does not damage the file.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _read_only(file: Path) -> sqlite3.Connection:
    """A connection to a file that may not be written.

    SQLite reads the write-ahead log of a running or killed driver through an index file in the same folder. Without one
    it would create one, unless the connection says that the file does not change.
    """
    options = "mode=ro" if file.with_name(f"{file.name}-shm").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{file.resolve().as_uri()}?{options}", uri=True, check_same_thread=False)


def _engine(url: str) -> dict[str, Any]:
    if sqlite_file(url) is not None:
        return {"connect_args": {"timeout": 60}}
    waits = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 1000 * ANSWER_SECONDS, **_ALIVE}
    given = sqlalchemy.make_url(url).query
    return {"pool_pre_ping": True, "connect_args": {key: value for key, value in waits.items() if key not in given}}
