"""convstudy from Python: studies, runs and claims as pandas tables, networks that predict, and the verbs as functions.

Nothing heavy is imported before a function needs it. Each function works in the workspace in force, which is that of
the verbs: the folder in CONVSTUDY_HOME, else the clone; `workspace(folder)` changes it.

Functions raise the exceptions below, all of them `ConvstudyError`s, where a verb would exit: UsageError for an
impossible request (an unknown name, a bad limit), DataError for unusable images, StorageError for a disk or database,
RunsFailedError when runs failed (all others are complete and kept).
"""

from convstudy.networks import Network, load
from convstudy.places import workspace
from convstudy.reading import Study, architectures, claims, figures, frame, population, runs, studies, study
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
