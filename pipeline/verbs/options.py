"""What the verbs share: common options, and the output of lines and JSON."""

import functools
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConvstudyError, UsageError
from pipeline.workspace import Workspace, current_workspace

if TYPE_CHECKING:
    from pipeline.data.manifest import Manifest
    from pipeline.settings import Settings

Data = Annotated[str | None, typer.Option(help="Prepared data set, by name or folder; default: the study's.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Train nothing; print trainings, hours and disk.")]
Network = Annotated[str, typer.Argument(metavar="NAME|CONFIG.json", help="Reference network, or a file with a Config.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Number of parallel trainings; default: as many as fit.")]

_SHARED: tuple[tuple[str, Any, Any], ...] = (
    (
        "json_file",
        Annotated[
            Path | None,
            typer.Option("--json", metavar="FILE", help="Write the result as JSON; - means standard output."),
        ],
        None,
    ),
    ("debug", Annotated[bool, typer.Option("--debug", help="Show tracebacks.")], False),
    ("quiet", Annotated[bool, typer.Option("--quiet", help="Print nothing; --json is still written.")], False),
)
"""The options of all verbs: parameter, annotation, default."""


@dataclass(frozen=True)
class Output:
    """Prints a verb's lines and result, according to `--json` and `--quiet`."""

    json_file: Path | None
    quiet: bool

    def line(self, text: str) -> None:
        """Print a line of progress to standard output, or to standard error if JSON goes to standard output."""
        if not self.quiet:
            print(text, file=sys.stderr if self.json_file == Path("-") else sys.stdout, flush=True)

    def answer(self, value: Any, text: str = "") -> None:
        """Output the verb's result: `value` as JSON if requested, else `text`.

        Args:
            value: JSON values, or a record.
            text: the same for a reader; "" if the lines printed before are enough.

        Raises:
            StorageError: the JSON file cannot be written.
        """
        if self.json_file is None:
            if text:
                self.line(text)
            return
        from pipeline.files import write_json
        from pipeline.schema import to_json

        if self.json_file == Path("-"):
            print(json.dumps(to_json(value), indent=2, allow_nan=False), flush=True)
        else:
            write_json(self.json_file, to_json(value))


def verb(*examples: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a verb, with the options `--json`, `--debug` and `--quiet`, and `examples` in its help.

    The function takes an Output as its first argument. `--debug` also prints the traceback of an error.
    """

    def made(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def call(json_file: Path | None, debug: bool, quiet: bool, **options: Any) -> None:
            try:
                function(Output(json_file, quiet), **options)
            except (ConvstudyError, OSError):
                if debug:
                    traceback.print_exc()
                raise

        _, *own = inspect.signature(function).parameters.values()
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
            for name, annotation, default in _SHARED
        ]
        call.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # typer reads the options from it
        call.examples = examples  # type: ignore[attr-defined]
        return call

    return made


def read_network(text: str) -> tuple[str, dict[str, Any] | None]:
    """(name, None) for a reference, or (stem of the file, its JSON)."""
    if not text.endswith(".json"):
        return text, None
    path = Path(text)
    try:
        value = json.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"cannot read {text}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{text} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f'{text} must hold {{"family": "…", "config": {{…}}}}')
    return path.stem, value


def data_folder(prepared: Path, data: str) -> Path:
    """The folder of a prepared data set, which is given by name or as a folder."""
    return Path(data) if (Path(data) / "manifest.json").exists() else prepared / data


def open_data(data: str | None) -> "tuple[Workspace, Settings, Path, Manifest]":
    """The workspace, its settings, and folder and manifest of a data set (None: that of the settings).

    Raises DataError if the data set is not prepared.
    """
    from pipeline.data.manifest import load_manifest
    from pipeline.settings import read_settings

    workspace = current_workspace()
    settings = read_settings(workspace.params_file)
    folder = data_folder(workspace.prepared_data, data or settings.data.name)
    return workspace, settings, folder, load_manifest(folder)
