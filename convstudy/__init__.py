"""Use convstudy from Python: studies, runs and claims as pandas tables, networks that predict, and the verbs.

PyTorch, pandas and other large packages are imported when a function first needs them. All functions work in the
current workspace, which is the folder in CONVSTUDY_HOME or else the clone. `workspace(folder)` changes it.

Where a verb would exit with an error, a function raises one of these, which are all `ConvstudyError`s:
- `UsageError`: the request is impossible, such as an unknown name or a bad limit.
- `DataError`: images are missing or unusable.
- `StorageError`: a file or database cannot be read or written.
- `RunsFailedError`: some runs failed. All other runs are complete and kept.
"""

from convstudy.evidence import claims, figures, population
from convstudy.networks import Network, load
from convstudy.places import workspace
from convstudy.reading import Study, architectures, frame, runs, studies, study
from convstudy.searching import finalists, search
from convstudy.verbs import prepare, profile, train
from pipeline import __version__
from pipeline.errors import ConvstudyError, DataError, RunsFailedError, StorageError, UsageError

__all__ = [
    "ConvstudyError",
    "DataError",
    "Network",
    "RunsFailedError",
    "StorageError",
    "Study",
    "UsageError",
    "__version__",
    "architectures",
    "claims",
    "figures",
    "finalists",
    "frame",
    "load",
    "population",
    "prepare",
    "profile",
    "runs",
    "search",
    "studies",
    "study",
    "train",
    "workspace",
]
