"""The options that limit costs, such as `--max-macs`: one for each row of the cost table."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipeline.cost.table import COSTS, Cost


def limited(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options. It receives the typed limits, by key of the cost, as `limits`.

    Raises UsageError naming the option, for a limit that cannot be read.
    """
    costs = {f"max_{cost.name}": cost for cost in COSTS.values()}

    @functools.wraps(verb)
    def call(*arguments: Any, **options: Any) -> None:
        from pipeline.cost.limits import read_limits

        verb(*arguments, limits=read_limits({name: options.pop(name) for name in costs}), **options)

    own = [parameter for name, parameter in inspect.signature(verb).parameters.items() if name != "limits"]
    of_limits = [_option(name, cost) for name, cost in costs.items()]
    call.__signature__ = inspect.Signature([*own, *of_limits])  # type: ignore[attr-defined]  # typer reads it
    return call


def _option(name: str, cost: Cost) -> inspect.Parameter:
    option = typer.Option(cost.option, metavar=cost.unit.example, help=f"Maximum {cost.noun}; no network exceeds it.")
    annotation = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
