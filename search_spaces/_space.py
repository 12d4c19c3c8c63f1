"""What can be searched: the networks of one family, of a named part of it, or of several families together.

A family's `sample` asks for one parameter after another, and only for those its network has, so that no two answers
give the same network by leaving one unused. Here its questions are asked in all ways that matter, which gives the
parameters of a space, the number of its networks and its cheapest one without drawing at random. Every parameter has
finitely many values.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from search_spaces._base import Answers, Family

PART = "space"
"""The parameter that says from which part of a mixed space a network comes."""


@dataclass(frozen=True)
class Parameter:
    """One question of a space and its possible answers; `step` is None where they have no order (categorical)."""

    name: str
    values: tuple[Any, ...]
    step: int | None = None


@dataclass(frozen=True)
class Design:
    """A network: a family and the value of its Config."""

    family: Family
    config: Any


@dataclass(frozen=True)
class Space:
    """Networks that are searched together; parameters bear the name of their part, as in "resnet.depth_1".

    Attributes:
        parts: name of each part -> its family and its `sample`.
    """

    parts: Mapping[str, tuple[Family, Callable[[Answers], Any]]]

    @property
    def name(self) -> str:
        """The names of the parts, joined by commas."""
        return ",".join(self.parts)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter that some network of the space has."""
        return tuple(self._explored[0].values())

    @cached_property
    def size(self) -> int:
        """The number of ways to answer; where rounding makes two answers one network (RegNet), of networks fewer."""
        return self._explored[1]

    def design(self, values: Mapping[str, Any]) -> Design:
        """The network at a point; values of parameters it does not have are ignored, and must not be missing."""
        return self.ask(_Given(values))

    def asked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a point's values that its network has."""
        given = _Given(values)
        self.ask(given)
        return given.asked

    def ask(self, answers: Answers) -> Design:
        """The network that the answers lead to."""
        part = answers.suggest_categorical(PART, list(self.parts)) if len(self.parts) > 1 else next(iter(self.parts))
        family, sample = self.parts[part]
        return Design(family, sample(_Prefixed(answers, f"{part}.")))

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """A point, every parameter drawn uniformly from its values, also those its network does not have.

        So networks are not equally likely: one with fewer parameters (fewer stages, say) comes more often.
        """
        return {p.name: p.values[generator.integers(len(p.values))] for p in self.parameters}

    def points(self) -> Iterator[dict[str, Any]]:
        """A point for every network, once for those that rounding makes equal; for spaces small enough to be walked."""
        unused = {parameter.name: parameter.values[0] for parameter in self.parameters}
        seen: set[tuple[str, Any]] = set()
        for asked in _points(self.ask, {}):
            values = {**unused, **asked}
            design = self.design(values)
            if (design.family.name, design.config) not in seen:
                seen.add((design.family.name, design.config))
                yield values

    def neighbours(self, point: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The points at which one parameter of this point's network has another value."""
        asked = self.asked(point)
        for parameter in self.parameters:
            if parameter.name in asked:
                for value in parameter.values:
                    if value != point[parameter.name]:
                        yield {**point, parameter.name: value}

    def least(self, measure: Callable[[Design], float]) -> tuple[Design, float]:
        """The network of the smallest measure, of equals the first found, and its measure; see `least_points`."""
        designs = [self.design(point) for point in self.least_points(measure)]
        return min(((design, measure(design)) for design in designs), key=lambda found: found[1])

    def least_points(self, measure: Callable[[Design], float]) -> list[dict[str, Any]]:
        """A point of the smallest measure in each part, by coordinate descent from random points.

        Exact where each parameter moves the measure in one direction whatever the others are, as costs nearly do.
        """
        if len(self.parts) == 1:
            return [self._descended(measure)]
        unused = {parameter.name: parameter.values[0] for parameter in self.parameters}
        return [{**unused, **Space({name: part})._descended(measure), PART: name} for name, part in self.parts.items()]

    def _descended(self, measure: Callable[[Design], float], starts: int = 8) -> dict[str, Any]:
        generator = np.random.default_rng(0)
        best: tuple[float, dict[str, Any]] = (math.inf, {})
        for start in [{p.name: p.values[0] for p in self.parameters}, *(self.draw(generator) for _ in range(starts))]:
            point, lowest, settled = start, measure(self.design(start)), False
            while not settled:
                settled = True
                for parameter in self.parameters:
                    for value in parameter.values:
                        tried = {**point, parameter.name: value}
                        cost = measure(self.design(tried))
                        if cost < lowest:
                            point, lowest, settled = tried, cost, False
            if lowest < best[0] or not best[1]:
                best = (lowest, point)
        return best[1]

    @cached_property
    def _explored(self) -> tuple[dict[str, Parameter], int]:
        return _explore(self.ask, {})


def _explore(ask: Callable[[Answers], object], fixed: Mapping[str, Any]) -> tuple[dict[str, Parameter], int]:
    """All parameters under some fixed answers, and the number of ways to answer the rest.

    A parameter is taken to change what else is asked by itself, or not at all, whatever the answers to the others.
    """
    asked = _questions(ask, fixed)
    free = [parameter for parameter in asked.values() if parameter.name not in fixed]
    for parameter in free:
        answers = [{**fixed, parameter.name: value} for value in parameter.values]
        if all(_questions(ask, answer) == asked for answer in answers[1:]):
            continue
        found, size = dict(asked), 0
        for answer in answers:
            more, count = _explore(ask, answer)
            conflicting = [name for name in more if found.get(name, more[name]) != more[name]]
            assert not conflicting, f"{conflicting} must have the same values wherever they are asked for"
            found |= more
            size += count
        return found, size
    return asked, math.prod(len(parameter.values) for parameter in free)


def _points(ask: Callable[[Answers], object], fixed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    asked = _questions(ask, fixed)
    following = next((parameter for name, parameter in asked.items() if name not in fixed), None)
    if following is None:
        yield dict(fixed)
        return
    for value in following.values:
        yield from _points(ask, {**fixed, following.name: value})


def _questions(ask: Callable[[Answers], object], fixed: Mapping[str, Any]) -> dict[str, Parameter]:
    """What is asked, in order, when the answers are those fixed, and else the first possible ones."""
    first = _First(fixed)
    ask(first)
    return first.asked


class _First:
    """Fixed answers, else the first possible; remembers the questions."""

    def __init__(self, fixed: Mapping[str, Any]) -> None:
        self.fixed = fixed
        self.asked: dict[str, Parameter] = {}

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        self.asked[name] = Parameter(name, tuple(range(low, high + 1, step)), step)
        answer: int = self.fixed.get(name, low)
        return answer

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.asked[name] = Parameter(name, tuple(choices))
        return self.fixed.get(name, choices[0])


class _Given:
    """Answers that are known beforehand; remembers those that were asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.asked: dict[str, Any] = {}

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        answer: int = self.values[name]
        self.asked[name] = answer
        return answer

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        answer = self.values[name]
        self.asked[name] = answer
        return answer


class _Prefixed:
    """Answers of another, asked under a prefix."""

    def __init__(self, answers: Answers, prefix: str) -> None:
        self.answers, self.prefix = answers, prefix

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return self.answers.suggest_int(self.prefix + name, low, high, step=step)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.answers.suggest_categorical(self.prefix + name, choices)
