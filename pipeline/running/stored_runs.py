"""What the run store holds of a plan already, in a runner's place: runs are found, none is trained."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.evidence.store import RunStore
from pipeline.running.outcomes import Outcome, finished_result, outcome_of
from pipeline.running.requests import Request


@dataclass
class StoredRuns:
    """Answers requests as a Runner does, by runs that are finished in `store`; others have no outcome.

    A test score counts if it was taken on the split `test_data`.
    """

    store: RunStore
    test_data: str
    _found: list[Outcome] = field(default_factory=list)

    def holds(self, request: Request) -> bool:
        """Whether the run is finished, with all that is wanted of it."""
        return finished_result(request, self.store.folder(request.spec.hash), self.test_data) is not None

    def submit(self, request: Request) -> None:
        """Look for a run."""
        folder = self.store.folder(request.spec.hash)
        result = finished_result(request, folder, self.test_data)
        if result is not None:
            self._found.append(outcome_of(request, folder, result, trained=False))

    def outcomes(self) -> Iterator[Outcome]:
        """Those that were found, in the order in which they were looked for."""
        while self._found:
            yield self._found.pop(0)

    def stop(self, request: Request, trained: bool = True) -> None:
        """Nothing goes on here that could be stopped."""
