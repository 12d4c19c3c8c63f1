"""URLs of the storages of studies: which is in force, and what of one may be shown."""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline.errors import UsageError
from pipeline.workspace import Workspace

STORAGE_VARIABLE = "CONVSTUDY_STORAGE"
_HARMLESS = {"user", "host", "port", "dbname", "sslmode", "connect_timeout", "application_name", "options"}
"""Query values of a storage URL that may be shown; all others are taken for secrets."""


def storage_url(workspace: Workspace, given: str | None) -> str:
    """The storage in force: the one given, else CONVSTUDY_STORAGE's, else the workspace's own SQLite file.

    Raises UsageError where it is no URL of a storage; of one that cannot be read nothing but its scheme is said, since
    what looks like its host may be part of a password.
    """
    url = given or os.environ.get(STORAGE_VARIABLE) or f"sqlite:///{workspace.studies}"
    scheme = url.partition("://")[0] if "://" in url else ""
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise UsageError(f"storage (={scheme}…) must be a URL: sqlite:///FILE or postgresql://…")
    file = sqlite_file(url)
    if file is not None and (not file.name or "?" in url or ":memory:" in url):
        raise UsageError("storage (=sqlite:///…) must be sqlite:///FILE: one file, without options")
    if file is None and not _is_readable(url):
        raise UsageError(
            f"storage (={scheme}://…) must be {scheme}://user:password@host:port/database; in user and password "
            "@ : / # ? [ and ] must be percent-encoded (@ as %40, / as %2F)"
        )
    return url


def _is_readable(url: str) -> bool:
    """Whether there is one way to read the URL of a server: "@" once, a port that is a number, no fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port raises ValueError
    except ValueError:
        return False
    around = parts.path + parts.query
    named = re.fullmatch(r"[\w.:%-]*", host or "") is not None
    return named and parts.netloc.count("@") <= 1 and "@" not in around and "#" not in url


def shown(url: str) -> str:
    """A storage URL without user info and query: scheme, host and database."""
    file = sqlite_file(url)
    if file is not None:
        return str(file)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def hidden(text: str, url: str) -> str:
    """`text` without the secrets of a storage URL."""
    parts = urlsplit(url)
    secrets = [parts.password or ""]
    secrets += [value for key, value in parse_qsl(parts.query) if key not in _HARMLESS]
    secrets += [unquote(secret) for secret in secrets]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def is_there(url: str) -> bool:
    """Whether a storage may hold anything: False for an SQLite file that does not exist yet."""
    file = sqlite_file(url)
    return file is None or file.exists()


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for another database."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None
