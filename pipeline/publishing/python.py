"""The reference of `import convstudy`, from signatures and docstrings in Google's form; tests run their examples."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import convstudy
from pipeline.publishing.reference import table

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):$")


def python_reference() -> str:
    """Every public function and class with its arguments, what it returns and raises, and examples."""
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
    """Names and defaults of the arguments; types are in the code."""
    arguments = inspect.signature(function).parameters.values()
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in arguments if parameter.name != "self"
    ]
    return str(inspect.Signature(shown)).replace("('cpu',)", "")


def _described(level: str, title: str, value: Any) -> list[str]:
    """A heading, then the parts of the docstring in its order."""
    plain = title.partition("(")[0]
    return [f"{level} {plain}", *([f"```python\n{title}\n```"] if "(" in title else []), *_parts(inspect.getdoc(value))]


def _parts(docstring: str | None) -> Iterator[str]:
    """Paragraphs as they are, arguments and exceptions as tables, examples as code."""
    for paragraph in (docstring or "").split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        section = SECTION.match(first)
        if section is None:
            yield f"```python\n{paragraph}\n```" if first.startswith(">>>") else paragraph
        elif section[1] == "Returns":
            yield f"Returns: {' '.join(rest.split())}"
        else:
            rows = [(f"`{name}`", meaning) for name, meaning in _entries(rest)]
            yield table(("raises" if section[1] == "Raises" else "", "meaning"), rows)


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """`name: meaning`, the meaning going on in lines that are indented further."""
    for entry in re.split(r"\n(?=    \S)", f"\n{text}")[1:]:
        name, _, meaning = " ".join(entry.split()).partition(": ")
        yield name, meaning.replace("|", "\\|")
