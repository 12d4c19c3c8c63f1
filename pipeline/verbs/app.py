"""convstudy <verb>: parses, calls, prints. Nothing heavy is imported before a verb needs it.

Exit codes: 0 done; 2 impossible request; 3 data unusable; 4 storage; 5 some runs failed; 130 / 143 interrupted.
"""

from typing import Annotated, Any

import typer

from pipeline import __version__
from pipeline.errors import UsageError
from pipeline.verbs import benches, claims, data, networks, searches, stores

app = typer.Typer(
    name="convstudy",
    help="Searches convolutional architectures and reproduces, with statistics, what is claimed about them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_CLICK_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""The base of typer's complaints about a command line: click's UsageError, of whichever click typer carries."""


@app.callback(invoke_without_command=True)
def _without_verb(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


for verb in (
    *(data.prepare, data.contact_sheet),
    *(networks.architectures, networks.profile, networks.train, networks.reproduce),
    *(searches.search, searches.studies, searches.status, searches.finalists),
    *(claims.experiment, claims.claims),
    *(benches.bench, benches.bench_search),
    *(stores.report, stores.ui, stores.replay, stores.doctor, stores.gc),
):
    app.command()(verb)


def main() -> None:
    """Entry point: run the verb, print an error in one line, exit with the contract's codes."""
    from pipeline.process import run_and_exit

    run_and_exit(_call)


def _call() -> None:
    try:
        app(prog_name="convstudy", standalone_mode=False)
    except _CLICK_USAGE_ERROR as error:  # unknown verb or option, missing argument, value of the wrong type
        raise UsageError(" ".join(error.format_message().split())) from error


if __name__ == "__main__":
    main()
