"""Studies in an Optuna storage, the one truth of a search: all about a trial is in it, written by its driver alone.

A trial enters when its training is asked for, whole, in one transaction; it is RUNNING in Optuna until it ends as
COMPLETE (trained in full), PRUNED (stopped at a rung) or FAIL. Its parameters in Optuna are those that its network has;
the whole point of a mixed space is an attribute. Refused and duplicate candidates never enter: the next trial holds how
many there were, so that neither the storage nor a sampler's history grows with them.
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
"""How long a server may take to answer; signals wait for it, and a search is to end within 10 s of one."""
ANSWER_SECONDS = 8
"""How long a connection may be without a sign of life, as it is where the network is cut."""
_ALIVE = {"keepalives_idle": 2, "keepalives_interval": 2, "keepalives_count": 3}


class Studies:
    """All studies of one storage, a database URL; use as a context, so that its connections end."""

    def __init__(self, url: str, locks: Path) -> None:
        """Raises StorageError, without any password, where the database cannot be reached."""
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
        with alone, self.storage_errors():  # two creators of tables would clash
            self._storage = RDBStorage(url, engine_kwargs=_engine(url))
            if file is not None:
                self._storage.engine.dispose()
                sqlalchemy.event.listen(self._storage.engine, "connect", _log_ahead)
                self._storage.engine.connect().close()  # two that change how a file is written would clash, too

    def names(self) -> list[str]:
        """All studies, by name."""
        with self.storage_errors():
            return sorted(optuna.get_all_study_names(self._storage))

    def create(self, name: str, plan: SearchPlan) -> "StoredStudy":
        """A new study; its plan is there from its first instant on."""
        with self.storage_errors():
            study = optuna.create_study(
                storage=self._storage, study_name=name, directions=["minimize"] * len(plan.objectives)
            )
            study.set_user_attr(_PLAN, to_json(plan))
            with warnings.catch_warnings():  # Optuna calls it experimental; names are for those who browse the storage
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(list(plan.objectives))
        return StoredStudy(self, name)

    def open(self, name: str) -> "StoredStudy":
        """The study of that name; raises UsageError naming the nearest one."""
        names = self.names()
        if name not in names:
            raise unknown_name("study", name, names)
        return StoredStudy(self, name)

    def remove(self, name: str) -> None:
        """Forget a study; trainings stay in the run store. Raises StorageError while it is searched."""
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
        """End the database connections."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @contextlib.contextmanager
    def storage_errors(self) -> Iterator[None]:
        """Let no signal end a transaction, and turn whatever a database raises into one line that holds no password."""
        try:
            with uninterrupted():
                yield
        except (StorageError, UsageError):
            raise
        except Exception as error:  # SQLAlchemy's, the driver's and Optuna's own have no common base
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
                f"study {name!r} was not made by convstudy, or its creation was cut off: --fresh begins anew"
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
        """The last budget a driver was given."""
        value = self._attributes().get(_BUDGET)
        return None if value is None else parse(Budget, value, f"budget of study {self.name}")

    @property
    def spent_seconds(self) -> float:
        """Wall time of all drivers so far."""
        return float(self._attributes().get(_SPENT, 0.0))

    @property
    def tail(self) -> tuple[int, int]:
        """Refused and duplicate candidates since the last trial, when a driver found nothing new."""
        refused, duplicates = self._attributes().get(_TAIL, (0, 0))
        return refused, duplicates

    @property
    def exhausted(self) -> bool:
        """Whether the space had no network left within the limits."""
        return bool(self._attributes().get(_EXHAUSTED, False))

    @property
    def guessing_error_percent(self) -> float | None:
        """The error of always answering with the most frequent class; None where it was not kept."""
        value: float | None = self._attributes().get(_GUESSING)
        return value

    def note(
        self,
        *,
        budget: Budget | None = None,
        spent_seconds: float | None = None,
        guessing_error_percent: float | None = None,
    ) -> None:
        """Keep the budget, the time spent, or the error of guessing."""
        if guessing_error_percent is not None:
            self._set(_GUESSING, guessing_error_percent)
        if budget is not None:
            self._set(_BUDGET, to_json(budget))
        if spent_seconds is not None:
            self._set(_SPENT, spent_seconds)

    def note_exhausted(self, exhausted: bool, tail: tuple[int, int] = (0, 0)) -> None:
        """Keep that nothing new was found, or that a driver tries again."""
        if exhausted != self.exhausted or tail != self.tail:
            self._set(_TAIL, list(tail))
            self._set(_EXHAUSTED, exhausted)

    def measured(self) -> dict[str, dict[str, float]]:
        """Costs that were measured on networks, refused ones too, by network."""
        found = {key: costs for key, costs in self._attributes().items() if key.startswith(_MEASURED)}
        return {key.removeprefix(_MEASURED): costs for key, costs in found.items()}

    def note_measured(self, network: str, costs: dict[str, float]) -> None:
        """Keep the measured costs of one more network."""
        self._set(_MEASURED + network, costs)

    def trials(self) -> list[Trial]:
        """Every trial, in order."""
        with self._studies.storage_errors():
            stored = self._study.get_trials(deepcopy=False)
        self._ids = {trial.number: trial._trial_id for trial in stored}
        return [read_trial(trial) for trial in stored]

    def add(self, trial: Trial, space: Space) -> None:
        """Enter a trial, whole or not at all; `trial.number` must be the next."""
        self._lock.check()
        with self._studies.storage_errors():
            self._ids[trial.number] = add_trial(self._storage, self._study._study_id, trial, self.plan, space)

    def update(self, trial: Trial) -> None:
        """Keep how far a trial has come, or how it ended; an ended trial's state follows in a second transaction."""
        self._lock.check()
        with self._studies.storage_errors():
            update_trial(self._storage, self._ids[trial.number], trial, self.plan)

    @contextlib.contextmanager
    def driven(self) -> Iterator[None]:
        """Hold the study's lock; raises StorageError saying who holds it."""
        with self._lock.held(lambda: self._attributes().get(_HOLDER, "another process")):
            self._set(_HOLDER, f"process {os.getpid()} on {socket.gethostname()}")
            yield

    def is_driven(self) -> bool:
        """Whether some driver holds the study."""
        return self._lock.is_held()

    def _attributes(self) -> dict[str, Any]:
        with self._studies.storage_errors():
            return dict(self._study.user_attrs)

    def _set(self, key: str, value: Any) -> None:
        with self._studies.storage_errors():
            self._study.set_user_attr(key, value)


def _log_ahead(connection: Any, _: object) -> None:
    """Have SQLite write ahead to a log: a commit takes 0.2 ms instead of 2, and who reads does not stop the driver.

    Whatever ends a process, nothing is lost; when power fails, the last commits may be, and the file stays whole.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _read_only(file: Path) -> sqlite3.Connection:
    """A connection to a file that may not be written.

    SQLite reads the log of a driver at work, or of one that was killed, through its index beside the file. Where there
    is none it would make one, unless told that the file does not change.
    """
    options = "mode=ro" if file.with_name(f"{file.name}-shm").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{file.resolve().as_uri()}?{options}", uri=True, check_same_thread=False)


def _engine(url: str) -> dict[str, Any]:
    if sqlite_file(url) is not None:
        return {"connect_args": {"timeout": 60}}
    waits = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 1000 * ANSWER_SECONDS, **_ALIVE}
    given = sqlalchemy.make_url(url).query
    return {"pool_pre_ping": True, "connect_args": {key: value for key, value in waits.items() if key not in given}}
