"""Answers requests from the run store, without training anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.evidence.store import RunStore
from pipeline.running.outcomes import Outcome, finished_result, outcome_of
from pipeline.running.requests import Request


@dataclass
class StoredRuns:
    """Answers requests as a Runner does, but only with finished runs of `store`. Other requests have no outcome.

    A test score counts only if it was taken on the split `test_data`.
    """

    store: RunStore
    test_data: str
    _found: list[Outcome] = field(default_factory=list)

    def holds(self, request: Request) -> bool:
        """Whether the run is finished, with all that the request asks for."""
        return finished_result(request, self.store.folder(request.spec.hash), self.test_data) is not None

    def submit(self, request: Request) -> None:
        """Look for a run."""
        folder = self.store.folder(request.spec.hash)
        result = finished_result(request, folder, self.test_data)
        if result is not None:
            self._found.append(outcome_of(request, folder, result, trained=False))

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the runs that were found, in the order of their requests."""
        while self._found:
            yield self._found.pop(0)

    def stop(self, request: Request, trained: bool = True) -> None:
        """Do nothing, since nothing runs here."""
