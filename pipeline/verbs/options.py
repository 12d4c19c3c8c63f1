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

from pipeline.errors import ConvstudyError

if TYPE_CHECKING:
    import pandas as pd

Data = Annotated[str | None, typer.Option(help="Prepared data set, by name or folder; default: that of params.yaml.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Train nothing; print trainings, hours and disk.")]
Network = Annotated[
    str,
    typer.Argument(
        metavar="NAME|CONFIG.json", help="A name that `convstudy architectures` lists, or a file with a design."
    ),
]
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


_TABLES: tuple[tuple[str, Any], ...] = (
    (
        "csv_file",
        Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV; - for stdout.")],
    ),
    (
        "parquet_file",
        Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write the rows as Parquet.")],
    ),
)
"""The options of the verbs that list rows: parameter, annotation."""


def tabular(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb that lists rows `--csv` and `--parquet`; its Output writes them. Comes below `verb`."""
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)
        for name, annotation in _TABLES
    ]
    own = inspect.signature(function).parameters.values()
    function.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]  # `verb` reads it
    return function


@dataclass(frozen=True)
class Output:
    """Prints a verb's lines and result, according to `--json`, `--csv`, `--parquet` and `--quiet`."""

    json_file: Path | None
    quiet: bool
    csv_file: Path | None = None
    parquet_file: Path | None = None

    def line(self, text: str) -> None:
        """Print a line of progress to standard output, or to standard error if a result goes to standard output."""
        if not self.quiet:
            in_the_way = Path("-") in (self.json_file, self.csv_file)
            print(text, file=sys.stderr if in_the_way else sys.stdout, flush=True)

    def answer(self, value: Any, text: str = "", table: "Callable[[], pd.DataFrame] | None" = None) -> None:
        """Output the verb's result as JSON, CSV or Parquet if requested, else as `text`.

        Args:
            value: JSON values, or a record.
            text: the same for a reader; "" if the lines printed before are enough.
            table: returns the result's rows, for verbs that list rows.

        Raises:
            StorageError: a file cannot be written.
        """
        if table is not None and (self.csv_file or self.parquet_file):
            from pipeline.actions.frames import write_csv, write_parquet

            rows = table()
            if self.csv_file is not None:
                write_csv(rows, self.csv_file)
            if self.parquet_file is not None:
                write_parquet(rows, self.parquet_file)
        elif text and self.json_file is None:
            self.line(text)
        if self.json_file is None:
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
            files = {name: options.pop(name) for name, _ in _TABLES if name in options}
            try:
                function(Output(json_file, quiet, **files), **options)
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
