"""Samplers of other packages: `my_module:MySampler`, or `optunahub:samplers/NAME` for a package of OptunaHub.

A module is imported from the environment, or else from the current folder. OptunaHub downloads a package once and
loads its own copy later.
"""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from optuna.samplers import BaseSampler

from pipeline.errors import UsageError

HUB = "optunahub"


def make_custom_sampler(name: str, seed: int) -> BaseSampler:
    """Make the sampler of that name, with the seed if it accepts one.

    Raises UsageError if it cannot be imported or made, or is not a sampler.
    """
    make = _loaded(name)
    with sampler_errors(name):
        sampler = make(seed=seed) if "seed" in inspect.signature(make).parameters else make()
    if not isinstance(sampler, BaseSampler):
        raise UsageError(f"sampler {name} gives a {type(sampler).__name__}, not an optuna.samplers.BaseSampler")
    return sampler


@contextmanager
def sampler_errors(name: str) -> Iterator[None]:
    """Turn whatever a custom sampler raises into one line that names it."""
    try:
        yield
    except Exception as error:
        raise UsageError(f"sampler {name} failed: {type(error).__name__}: {' '.join(str(error).split())}") from error


@functools.cache
def _loaded(name: str) -> Callable[..., Any]:
    """The class, or the function that makes a sampler."""
    module_name, _, attribute = name.partition(":")
    if module_name == HUB:
        return _from_hub(name, *attribute.partition(":")[::2])
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
    with sampler_errors(name):
        found = getattr(importlib.import_module(module_name), attribute)
    if not callable(found):
        raise UsageError(f"sampler {name} is a {type(found).__name__}, not a sampler class")
    return found  # type: ignore[no-any-return]


def _from_hub(name: str, package: str, wanted: str) -> Callable[..., Any]:
    """The sampler class of a package of OptunaHub: the one `wanted`, or else its only one."""
    try:
        import optunahub
    except ModuleNotFoundError as error:
        raise UsageError(f"sampler {name} needs OptunaHub: pip install '.[{HUB}]'") from error
    with sampler_errors(name):
        classes = _sampler_classes(optunahub.load_module(package))
    if wanted in classes:
        return classes[wanted]
    if wanted or len(classes) != 1:
        raise UsageError(f"{HUB}:{package} has the samplers {', '.join(classes) or '(none)'}: add :CLASS to choose one")
    return next(iter(classes.values()))


def _sampler_classes(module: ModuleType) -> dict[str, type[BaseSampler]]:
    """The samplers that a package defines, by name."""
    names = getattr(module, "__all__", dir(module))
    found = {name: getattr(module, name) for name in names if not name.startswith("_")}
    own = module.__name__.rpartition(".")[2]
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, type) and issubclass(value, BaseSampler) and own in value.__module__.split(".")
    }
