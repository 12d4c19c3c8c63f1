"""The command `convstudy <verb>`: parses, calls, prints. Verbs import what they need when they are called.

Exit codes: 0 done; 2 impossible request; 3 data unusable; 4 storage; 5 some runs failed; 130 / 143 interrupted.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer
import typer.core

from pipeline import __version__
from pipeline.errors import UsageError
from pipeline.verbs import benches, claims, data, networks, searches, stores

GROUPS: dict[str, tuple[Callable[..., None], ...]] = {
    "Data": (data.prepare, data.contact_sheet),
    "Networks": (networks.architectures, networks.profile, networks.train, networks.reproduce),
    "Searches": (searches.search, searches.studies, searches.status, searches.dashboard, searches.finalists),
    "Claims": (claims.experiment, claims.claims),
    "Stores": (stores.report, stores.ui, stores.replay, stores.doctor, stores.gc),
    "Benchmarks": (benches.bench, benches.bench_search),
}
"""The verbs in the groups of `convstudy --help`."""


class _Grouped(typer.core.TyperGroup):
    """Lists the verbs by group, each with the first sentence of its help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for group, functions in GROUPS.items():
            commands = [self.commands[name_of(function)] for function in functions]
            with formatter.section(group):
                formatter.write_dl([(str(command.name), command.get_short_help_str(120)) for command in commands])


app = typer.Typer(
    name="convstudy",
    help="Search convolutional architectures, and test claims about them with statistics.",
    cls=_Grouped,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_CLICK_USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""Base class of typer's errors about a command line: UsageError of the click that typer bundles."""


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


def name_of(verb: Callable[..., None]) -> str:
    """The name of a verb on the command line."""
    return verb.__name__.replace("_", "-")


for functions in GROUPS.values():
    for verb in functions:
        examples = "\n".join(f"  {example}" for example in verb.examples)  # type: ignore[attr-defined]
        app.command(name_of(verb), epilog=f"\b\nExamples:\n{examples}")(verb)


def main() -> None:
    """Entry point: run the verb, print an error in one line, exit with its code."""
    from pipeline.process import run_and_exit

    run_and_exit(_call)


def _call() -> None:
    try:
        app(prog_name="convstudy", standalone_mode=False)
    except _CLICK_USAGE_ERROR as error:  # unknown verb or option, missing argument, value of the wrong type
        raise UsageError(" ".join(error.format_message().split())) from error


if __name__ == "__main__":
    main()
