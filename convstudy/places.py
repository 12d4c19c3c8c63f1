"""Which workspace is in force."""

import os
import warnings
from pathlib import Path

from pipeline.environment import complete_environment
from pipeline.errors import UsageError
from pipeline.workspace import Workspace, current_workspace


def workspace(folder: str | os.PathLike[str] | None = None) -> Workspace:
    """The workspace in force; with `folder`, that folder from now on (it becomes this process's CONVSTUDY_HOME).

    Args:
        folder: it holds a `params.yaml`, as the clone does.

    Returns:
        Its paths: `root`, `prepared_data`, `runs`, `published` and so on.

    Raises:
        UsageError: the folder has no `params.yaml`.

    >>> convstudy.workspace().params_file.name
    'params.yaml'
    """
    if folder is not None:
        root = Path(folder).expanduser().resolve()
        if not (root / "params.yaml").is_file():
            raise UsageError(f"{root} is no workspace: copy the params.yaml of convstudy's clone into it")
        os.environ["CONVSTUDY_HOME"] = str(root)
    complete_environment()
    warnings.filterwarnings("ignore", "IProgress not found")  # by Optuna in a notebook; its progress bars are not used
    return current_workspace()
