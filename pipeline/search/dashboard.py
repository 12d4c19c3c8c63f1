"""`convstudy dashboard`: optuna-dashboard over the storage of studies, in this process and without authentication.

optuna-dashboard answers any Host and any origin, so that a web page could reach it by DNS rebinding. Here requests for
other names than this machine's own get 403, whatever their port, so that an ssh tunnel works.
"""

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pipeline.errors import UsageError, unknown_name
from pipeline.process import die_with_parent
from pipeline.search.storage import is_there, storage_url
from pipeline.search.studies import Studies
from pipeline.workspace import Workspace

KNOWN_LIMITS = (
    "optuna-dashboard 0.21 does not read the constraints of Optuna 5 and shows every trial as feasible; no trial of "
    "convstudy exceeds a limit"
)
_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (compared with, not bound)
_WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve_dashboard(
    workspace: Workspace,
    url: str | None,
    study: str | None,
    host: str,
    port: int,
    on_free: Callable[[str], object],
) -> None:
    """Serve the dashboard until this process or its parent ends; calls `on_free` with the address first.

    Raises UsageError if optuna-dashboard is not installed, the study does not exist, or the port is taken.
    """
    try:
        import optuna_dashboard
    except ModuleNotFoundError as error:
        raise UsageError("optuna-dashboard is not installed: pip install '.[dashboard]'") from error
    url = storage_url(workspace, url)
    if not is_there(url):
        raise unknown_name("study", study, ()) if study else UsageError("no study yet: `convstudy search` makes one")
    die_with_parent()
    with Studies(url, workspace.locks) as studies:
        page = "" if study is None else f"/studies/{studies.open(study).storage_id}"
        app = _for_names(optuna_dashboard.wsgi(studies.optuna_storage), {host, "127.0.0.1", "localhost", "::1"})
        try:
            server = make_server(host, port, app, _ThreadingServer, _QuietHandler)
        except OSError as error:
            raise UsageError(f"cannot serve on {host}:{port}: {error.strerror}; choose another with --port") from error
        with server:
            on_free(f"http://{host}:{port}/dashboard{page}")
            server.serve_forever()


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Print no line for a request."""


def _for_names(app: _WSGI, names: set[str]) -> _WSGI:
    """The application for requests that address, and come from, one of these hosts; any, if it serves all addresses."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        hosts = [f"//{environ.get('HTTP_HOST', '')}"]
        hosts += [environ["HTTP_ORIGIN"]] if "HTTP_ORIGIN" in environ else []
        if names.isdisjoint(_ANY_ADDRESS) and any(urlsplit(host).hostname not in names for host in hosts):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"this address is not served: use 127.0.0.1 or localhost\n"]
        return app(environ, start_response)

    return guarded
