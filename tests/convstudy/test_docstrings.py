"""The docstrings of `import convstudy`: examples run on a real study, and columns are those of the tables."""

import doctest
import inspect
import re
from collections.abc import Callable
from types import ModuleType

import pandas as pd
import pytest
from pictures import validation_images, write_pictures
from PIL import Image

import convstudy
from convstudy import evidence, networks, places, reading, searching, verbs
from pipeline.workspace import Workspace

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES: tuple[ModuleType, ...] = (places, reading, evidence, networks, verbs, searching)
EXAMPLES = {test.name: test for module in MODULES for test in doctest.DocTestFinder().find(module) if test.examples}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_docstring_are_right(name: str, first_study: Workspace) -> None:
    prepared = first_study.prepared_data / "fashion-mnist"
    write_pictures(prepared, first_study.root / "pictures")
    Image.fromarray(validation_images(prepared, 7, 1)[0]).save("shoe.png")
    example = EXAMPLES[name]
    example.globs = {"convstudy": convstudy}
    report: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.append, clear_globs=False)
    assert outcome.attempted and not outcome.failed, "".join(report)


def test_every_public_function_has_an_example() -> None:
    functions = {name: value for name in convstudy.__all__ if inspect.isfunction(value := getattr(convstudy, name))}
    assert len(functions) >= 13
    for name, function in functions.items():
        assert f"{function.__module__}.{name}" in EXAMPLES, name


def documented_columns(function: Callable[..., object], section: str = "Columns") -> list[str]:
    """The names in one section of a docstring."""
    lines = (inspect.getdoc(function) or "").split(f"\n{section}:\n")[1].split("\n\n")[0].splitlines()
    return [name for line in lines if re.match(r" {4}\S", line) for name in line.strip().partition(": ")[0].split(", ")]


MEASURED_COSTS = {"latency_seconds", "train_memory_bytes"}
"""Columns that a table of trials has only if the search limits or minimises them."""


def test_the_documented_columns_are_those_of_the_tables(first_study: Workspace) -> None:
    trials = convstudy.study("first").trials()
    assert [name for name in documented_columns(convstudy.Study.trials) if name not in MEASURED_COSTS] == list(trials)
    assert list(convstudy.study("first").front()) == [name for name in trials if name != "front"]
    functions: tuple[Callable[[], pd.DataFrame], ...] = (
        convstudy.studies, convstudy.runs, convstudy.claims, convstudy.population, convstudy.architectures,
    )  # fmt: skip
    for function in functions:
        assert documented_columns(function) == list(function()), function
    assert documented_columns(convstudy.claims, "Columns of parts") == list(convstudy.claims(parts=True))
