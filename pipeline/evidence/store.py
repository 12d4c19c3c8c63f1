"""The run store: `runs/<hash>/`, one training each, addressed by content, so no finished run is trained twice.

run.json          what the run is, and who requested it       (RunHeader)
result.json       its outcome, deterministic                  (Result)
measurement.json  its cost on this machine                    (Measurement)
test.json         its test score, if requested                (TestScore)
probes.json       further measurements, if requested          (ProbeRecord)
weights.safetensors, checkpoint-*.pt                          kept or removed by policy
progress.json, alive                                          while a worker trains or scores
micro-batches                                                 after memory ran out, until the run ends
"""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pipeline.errors import StorageError
from pipeline.evidence.records import (
    Measurement,
    Membership,
    ProbeRecord,
    Result,
    RunHeader,
    RunSpec,
    TestScore,
)
from pipeline.files import write_json, write_text
from pipeline.process import locked
from pipeline.schema import read_record, to_json

Record = TypeVar("Record", RunHeader, Result, Measurement, TestScore, ProbeRecord)


@dataclass(frozen=True)
class RunFolder:
    """One run's folder. Readers return None for a file that does not exist yet."""

    path: Path

    @property
    def run(self) -> str:
        """The run's hash."""
        return self.path.name

    @property
    def weights(self) -> Path:
        """Final weights, if kept."""
        return self.path / "weights.safetensors"

    @property
    def progress(self) -> Path:
        """Progress of a training that runs."""
        return self.path / "progress.json"

    @property
    def alive(self) -> Path:
        """A file that a worker touches now and then while it scores the network."""
        return self.path / "alive"

    def sign_of_life(self) -> float | None:
        """Time of the last sign that a worker trains or scores, in seconds of the file system's clock."""
        signs = []
        for path in (self.progress, self.alive):
            with contextlib.suppress(FileNotFoundError):
                signs.append(path.stat().st_mtime)
        return max(signs, default=None)

    @property
    def micro_batches(self) -> int:
        """Number of parts in which to train each batch, because memory ran out; 1 by default."""
        path = self.path / "micro-batches"
        return int(path.read_text()) if path.exists() else 1

    def split_batches(self, micro_batches: int) -> None:
        """Store the number of parts in which to train each batch from now on; 1 removes it."""
        path = self.path / "micro-batches"
        if micro_batches > 1:
            write_text(path, f"{micro_batches}\n")
        else:
            path.unlink(missing_ok=True)

    def forget_scores(self) -> None:
        """Remove test score and probes, whose weights no longer exist."""
        for name in ("test.json", "probes.json"):
            (self.path / name).unlink(missing_ok=True)

    @property
    def lock(self) -> Path:
        """Held by the one process that trains this run."""
        return self.path / ".lock"

    def header(self) -> RunHeader | None:
        """What the run is."""
        return self._read(RunHeader, "run.json")

    def result(self) -> Result | None:
        """The outcome of the run."""
        return self._read(Result, "result.json")

    def measurement(self) -> Measurement | None:
        """What the run cost on this machine."""
        return self._read(Measurement, "measurement.json")

    def test_score(self, test_data: str | None = None) -> TestScore | None:
        """The run's score on the test split; with `test_data`, only if it was measured on that split."""
        score = self._read(TestScore, "test.json")
        return score if score is None or test_data in (None, score.test_data) else None

    def probes(self) -> dict[str, dict[str, float]]:
        """Figures by probe; empty if there are none."""
        record = self._read(ProbeRecord, "probes.json")
        return record.figures if record else {}

    def write(self, record: RunHeader | Result | Measurement | TestScore | ProbeRecord) -> None:
        """Atomically write one record under its own name."""
        write_json(self.path / f"{record.schema.split('/')[0]}.json", to_json(record))

    def _read(self, kind: type[Record], name: str) -> Record | None:
        path = self.path / name
        if not path.exists():
            return None
        record = read_record(kind, path)
        if record.run != self.run:
            raise StorageError(f"{path} belongs to another run; remove the folder {self.path}")
        return record


@dataclass(frozen=True)
class RunStore:
    """All runs under one folder."""

    root: Path

    def folder(self, run: str) -> RunFolder:
        """The folder of a run, present or not."""
        return RunFolder(self.root / run)

    @property
    def locks(self) -> Path:
        """Locks of processes that use the store."""
        return self.root / ".locks"

    def headers_locked(self) -> AbstractContextManager[None]:
        """Keep other processes from changing headers, which say who requested a run."""
        return locked(self.locks / "headers.lock")

    def register(self, spec: RunSpec, name: str, data_name: str, member: Membership | None = None) -> RunFolder:
        """Write (or extend) a run's header; only driver processes call this."""
        folder = self.folder(spec.hash)
        with self.headers_locked():
            header = folder.header() or RunHeader("run/1", spec.hash, name, data_name, spec)
            if member is not None and member not in header.members:
                header = replace(header, members=(*header.members, member))
            elif (folder.path / "run.json").exists():
                return folder
            folder.write(header)
        return folder

    def __iter__(self) -> Iterator[RunFolder]:
        """Every run that has a header, in order of its hash."""
        if self.root.exists():
            for path in sorted(self.root.iterdir()):
                if (path / "run.json").exists():
                    yield RunFolder(path)
