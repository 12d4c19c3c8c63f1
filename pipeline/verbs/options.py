"""What the verbs share: options that mean the same everywhere, and where lines and JSON go."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import UsageError

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - for stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress and no answer; --json writes all the same.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Trainings at once; default: one per core, or as many as fit on the cards.")
]
Network = Annotated[str, typer.Argument(metavar="NAME|CONFIG.json", help="A reference, or a file with a Config.")]


def read_network(text: str) -> tuple[str, dict[str, Any] | None]:
    """(name, None) of a reference, or (file's stem, its JSON)."""
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
    """The folder of a prepared data set, given by name or as a folder."""
    return Path(data) if (Path(data) / "manifest.json").exists() else prepared / data


def teller(quiet: bool, json_file: Path | None) -> Callable[[str], None]:
    """Where lines for the user go: standard output, unless JSON goes there; nowhere if quiet."""
    if quiet:
        return lambda line: None
    stream = sys.stderr if json_file == Path("-") else sys.stdout
    return lambda line: print(line, file=stream, flush=True)


def answer(target: Path | None, text: str, value: Any, quiet: bool) -> None:
    """What a verb found: as JSON where that is asked for, else as text, unless it is to be quiet."""
    if target is None and not quiet:
        print(text)
    write(target, value)


def write(target: Path | None, value: Any) -> None:
    """The verb's JSON to a file, to standard output for "-", or nowhere."""
    if target == Path("-"):
        print(json.dumps(value, indent=2, allow_nan=False))
    elif target is not None:
        from pipeline.files import write_json

        write_json(target, value)
