"""URLs of study storages: selects and checks the URL, and hides its secrets."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, make_url

from pipeline.errors import UsageError
from pipeline.workspace import Workspace

STORAGE_VARIABLE = "CONVSTUDY_STORAGE"
_HARMLESS = {"user", "host", "port", "dbname", "sslmode", "connect_timeout", "application_name", "options"}
"""Query keys of a storage URL whose values may be shown; all other values count as secrets."""
_SERVER = re.compile(
    r"postgresql(\+psycopg)?://([^@:/?#[\]]*(:[^@/?#[\]]*)?@)?"  # user and password
    r"([\w.%-]*|\[[0-9a-fA-F:.]+(%\w+)?\])(:[0-9]+)?([/?][^@#]*)?"  # host, port, database and query
)
"""Server URLs that can be read in only one way. SQLAlchemy alone accepts / ? # in a password, and any host."""


def storage_url(workspace: Workspace, given: str | None) -> str:
    """The storage to use: the given one, else that of CONVSTUDY_STORAGE, else the workspace's own SQLite file.

    Raises UsageError if it is not the URL of a storage. The message shows only the scheme of a malformed URL, because
    what looks like its host may be part of a password.
    """
    own_file = URL.create("sqlite", database=str(workspace.studies))
    url = given or os.environ.get(STORAGE_VARIABLE) or own_file.render_as_string()
    scheme = url.partition("://")[0] if "://" in url else ""
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise UsageError(f"storage (={scheme}…) must be a URL: sqlite:///FILE or postgresql://…")
    file = sqlite_file(url)
    if file is not None and (not file.name or "?" in url or ":memory:" in url):
        raise UsageError("storage (=sqlite:///…) must be sqlite:///FILE: one file, without options")
    if file is None and not (_SERVER.fullmatch(url) and (make_url(url).port or 0) < 2**16):
        raise UsageError(
            f"storage (={scheme}://…) must be {scheme}://user:password@host:port/database; in user and password "
            "@ : / # ? [ and ] must be percent-encoded (@ as %40, / as %2F)"
        )
    return url


def shown(url: str) -> str:
    """A storage URL without user, password and query."""
    file = sqlite_file(url)
    if file is not None:
        return str(file)
    parts = make_url(url)
    return URL.create(parts.drivername, None, None, parts.host, parts.port, parts.database).render_as_string()


def hidden(text: str, url: str) -> str:
    """`text` without the secrets of a storage URL."""
    parts = make_url(url)
    typed = url.rpartition("@")[0].partition("://")[2].partition(":")[2]
    secrets = [parts.password or "", typed]
    secrets += [value for key, values in parts.normalized_query.items() if key not in _HARMLESS for value in values]
    secrets += [quote(secret, safe="") for secret in secrets]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def is_there(url: str) -> bool:
    """Whether a storage may exist: False for an SQLite file that does not exist yet."""
    file = sqlite_file(url)
    return file is None or file.exists()


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for other databases."""
    return Path(make_url(url).database or "") if url.startswith("sqlite:///") else None
