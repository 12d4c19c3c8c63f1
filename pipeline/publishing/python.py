"""Generates the reference of `import convstudy` from signatures and docstrings. Tests run the examples."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import convstudy
from pipeline.publishing.reference import table

TABLES = {
    "Args": "argument",
    "Attributes": "attribute",
    "Columns": "column",
    "Columns of parts": "column, with `parts=True`",
    "Raises": "raises",
}
"""Section of a docstring -> title of the first column of its table."""


def python_reference() -> str:
    """Every public function and class, with its arguments, results, errors and examples."""
    public = [getattr(convstudy, name) for name in convstudy.__all__]
    documented = [value for value in public if getattr(value, "__module__", "").startswith("convstudy.")]
    parts: list[str] = []
    for value in sorted(documented, key=lambda value: (inspect.isclass(value), value.__name__)):
        name = f"convstudy.{value.__name__}"
        if not inspect.isclass(value):
            parts += _described("##", f"{name}{_signature(value)}", value)
            continue
        parts += _described("##", name, value)
        for member, method in vars(value).items():
            if member.startswith("_"):
                continue
            if isinstance(method, property):
                parts += _described("###", f"{value.__name__}.{member}", method)
            elif inspect.isfunction(method):
                parts += _described("###", f"{value.__name__}.{member}{_signature(method)}", method)
    return "\n\n".join(parts)


def _signature(function: Any) -> str:
    """The arguments with their defaults, without types."""
    arguments = inspect.signature(function).parameters.values()
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in arguments if parameter.name != "self"
    ]
    return str(inspect.Signature(shown))


def _described(level: str, title: str, value: Any) -> list[str]:
    """A heading, the signature, and the parts of the docstring."""
    plain = title.partition("(")[0]
    return [f"{level} {plain}", *([f"```python\n{title}\n```"] if "(" in title else []), *_parts(inspect.getdoc(value))]


def _parts(docstring: str | None) -> Iterator[str]:
    """Convert a docstring: arguments, columns and errors to tables, examples to code. Paragraphs stay as they are."""
    for paragraph in (docstring or "").split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        section = first.removesuffix(":")
        if first == "Returns:":
            yield f"Returns: {' '.join(rest.split())}"
        elif section in TABLES and rest:
            yield table((TABLES[section], "meaning"), _entries(rest))
        else:
            yield f"```python\n{paragraph}\n```" if first.startswith(">>>") else paragraph


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """The rows of a section's table, from lines `name: meaning` or `name, name: meaning`."""
    for entry in re.split(r"\n(?=    \S)", f"\n{text}")[1:]:
        names, _, meaning = " ".join(entry.split()).partition(": ")
        yield ", ".join(f"`{name}`" for name in names.split(", ")), meaning.replace("|", "\\|")
