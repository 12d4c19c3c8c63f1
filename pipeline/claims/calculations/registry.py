"""Figures that decide claims without training: named calculations from Configs, costs and exact checks.

A calculation returns its figures by name. The values that the source claims are in reports/claims.yaml, never here.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable

from pipeline.claims import calculations as package
from pipeline.errors import unknown_name

Figures = dict[str, float]
_CALCULATIONS: dict[str, Callable[[], Figures]] = {}


def calculation(function: Callable[[], Figures]) -> Callable[[], Figures]:
    """Register a calculation under its name, words joined by hyphens."""
    _CALCULATIONS[function.__name__.replace("_", "-")] = function
    return function


@functools.cache
def calculations() -> dict[str, Callable[[], Figures]]:
    """All calculations by name."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(_CALCULATIONS.items()))


@functools.cache
def figures(name: str) -> Figures:
    """The figures of a calculation. Raises UsageError with the nearest name if there is none."""
    if name not in calculations():
        raise unknown_name("calculation", name, calculations())
    return calculations()[name]()
