"""The current workspace."""

import os
import warnings
from pathlib import Path

from pipeline.environment import complete_environment
from pipeline.errors import UsageError
from pipeline.workspace import Workspace, current_workspace


def workspace(folder: str | os.PathLike[str] | None = None) -> Workspace:
    """Return the current workspace. With `folder`, first make that folder the workspace of this process.

    Args:
        folder: a folder with a `params.yaml`; it is stored in this process's CONVSTUDY_HOME. None: no change.

    Returns:
        The workspace's paths: `root`, `prepared_data`, `runs`, `published` and others.

    Raises:
        UsageError: the folder has no `params.yaml`.

    >>> convstudy.workspace().params_file.name
    'params.yaml'
    """
    if folder is not None:
        root = Path(folder).expanduser().resolve()
        if not (root / "params.yaml").is_file():
            raise UsageError(f"{root} is not a workspace: copy the params.yaml of convstudy's clone into it")
        os.environ["CONVSTUDY_HOME"] = str(root)
    complete_environment()
    warnings.filterwarnings("ignore", "IProgress not found")  # from Optuna in a notebook, whose bars are not used
    return current_workspace()
