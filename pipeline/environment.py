"""Sets up what a container may lack: a home folder, a user name, git's trust in the clone.

Containers may run programs under a user id without name and home folder, and on a clone that belongs to another user.
MLflow and DVC then end with a traceback. `python -m pipeline.environment COMMAND …` runs another program, such as DVC,
in a complete environment.
"""

import getpass
import os
import sys
from pathlib import Path

from pipeline.workspace import current_workspace

_CLONE = Path(__file__).resolve().parents[1]


def complete_environment() -> None:
    """Set the missing environment variables of this process and its children. A second call changes nothing.

    Caches go into the workspace: to `.home` if the user has no writable home folder. DVC's cache goes to `.dvc/tmp`
    instead of `/var/tmp`, which all users share.
    """
    home = os.environ.get("HOME", os.path.expanduser("~"))  # noqa: PTH111  Path.expanduser raises for a user without a name
    if not (Path(home).is_absolute() and os.access(home, os.W_OK)):
        os.environ["HOME"] = str(current_workspace().home)
    try:
        getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        os.environ["LOGNAME"] = os.environ["USER"] = f"uid{os.getuid()}"
    os.environ.setdefault("DVC_SITE_CACHE_DIR", str(_CLONE / ".dvc" / "tmp" / "site"))
    _trust_clone()


def _trust_clone() -> None:
    """Let git read this clone even if it belongs to another user: its code is running anyway."""
    top = next((path for path in (_CLONE, *_CLONE.parents) if (path / ".git").exists()), None)
    if top is None or all(path.stat().st_uid == os.geteuid() for path in (top, top / ".git")):
        return
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    if str(top) not in (os.environ.get(f"GIT_CONFIG_VALUE_{number}") for number in range(count)):
        os.environ[f"GIT_CONFIG_KEY_{count}"] = "safe.directory"
        os.environ[f"GIT_CONFIG_VALUE_{count}"] = str(top)
        os.environ["GIT_CONFIG_COUNT"] = str(count + 1)


if __name__ == "__main__":
    complete_environment()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 (an argument list, no shell)
