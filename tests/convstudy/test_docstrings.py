"""The examples in convstudy's docstrings, each run on a real study."""

import doctest
import inspect
from types import ModuleType

import pytest
from pictures import validation_images, write_pictures
from PIL import Image

import convstudy
from convstudy import networks, places, reading, searching, verbs
from pipeline.workspace import Workspace

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES: tuple[ModuleType, ...] = (places, reading, networks, verbs, searching)
EXAMPLES = {test.name: test for module in MODULES for test in doctest.DocTestFinder().find(module) if test.examples}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_docstring_are_right(name: str, first_study: Workspace) -> None:
    prepared = first_study.prepared_data / "fashion-mnist"
    write_pictures(prepared, first_study.root / "pictures")
    Image.fromarray(validation_images(prepared, 7, 1)[0]).save("shoe.png")
    example = EXAMPLES[name]
    example.globs = {"convstudy": convstudy}
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append, clear_globs=False)
    assert outcome.attempted and not outcome.failed, "".join(said)


def test_every_public_function_has_an_example() -> None:
    functions = {name: value for name in convstudy.__all__ if inspect.isfunction(value := getattr(convstudy, name))}
    assert len(functions) >= 13
    for name, function in functions.items():
        assert f"{function.__module__}.{name}" in EXAMPLES, name
