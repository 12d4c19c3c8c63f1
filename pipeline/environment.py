"""What a process expects of its surroundings and a container may lack: a home folder, a user's name, git's trust.

Containers run programs under user ids without a name or a home folder, on clones and caches that belong to others.
MLflow and DVC then end with a traceback. `python -m pipeline.environment COMMAND …` runs another program, such as DVC,
with what is missing.
"""

import getpass
import os
import sys
from pathlib import Path

from pipeline.workspace import current_workspace

_CLONE = Path(__file__).resolve().parents[1]


def complete_environment() -> None:
    """Set what is missing in this process's environment; its children inherit it, and a second call changes nothing.

    Caches go into the workspace: below `.home` where the user has no home folder to write to, and DVC's own, which
    would lie in `/var/tmp` for all users, below `.dvc/tmp`.
    """
    home = os.environ.get("HOME", os.path.expanduser("~"))  # noqa: PTH111  Path's raises for a user without a name
    if not (Path(home).is_absolute() and os.access(home, os.W_OK)):
        os.environ["HOME"] = str(current_workspace().home)
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter as of Python 3.13
        os.environ["LOGNAME"] = os.environ["USER"] = f"uid{os.getuid()}"
    os.environ.setdefault("DVC_SITE_CACHE_DIR", str(_CLONE / ".dvc" / "tmp" / "site"))
    _trust_clone()


def _trust_clone() -> None:
    """Have git read this clone although it belongs to another user: its code is running already."""
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
