"""Design spaces: the networks of one family, of a named part of it, or of several families together.

A family's `sample` asks for one parameter after another, and only for those that its network has. So two sets of
answers never differ only in an unused parameter. This module tries all answers that change the questions, which gives
the parameters of a space and its number of networks. Each parameter has finitely many values.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from search_spaces._base import Answers, Family

PART = "space"
"""The parameter that selects the part of a mixed space."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a space and its values; `step` is None if they have no order (categorical)."""

    name: str
    values: tuple[Any, ...]
    step: int | None = None


@dataclass(frozen=True)
class Design:
    """A network: a family and a Config."""

    family: Family
    config: Any


@dataclass(frozen=True)
class Space:
    """A set of networks to search. Names of parameters start with that of their part, such as "resnet.depth_1".

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
        """All parameters that any network of the space has."""
        return tuple(self._explored[0].values())

    @cached_property
    def size(self) -> int:
        """The number of ways to answer. RegNet has fewer networks, since rounding makes some of them equal."""
        return self._explored[1]

    def design(self, values: Mapping[str, Any]) -> Design:
        """The network at a point. Ignores parameters that it does not have."""
        return self.ask(_Given(values))

    def asked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a point that its network uses."""
        given = _Given(values)
        self.ask(given)
        return given.asked

    def ask(self, answers: Answers) -> Design:
        """The network with these answers."""
        part = answers.suggest_categorical(PART, list(self.parts)) if len(self.parts) > 1 else next(iter(self.parts))
        family, sample = self.parts[part]
        return Design(family, sample(_Prefixed(answers, f"{part}.")))

    def draw(self, generator: np.random.Generator) -> dict[str, Any]:
        """A random point: each parameter is drawn uniformly, including those that its network does not use.

        So networks are not equally likely: one with fewer parameters (such as fewer stages) is drawn more often.
        """
        return {p.name: p.values[generator.integers(len(p.values))] for p in self.parameters}

    def points(self) -> Iterator[dict[str, Any]]:
        """One point for each distinct network. Only for spaces that are small enough to enumerate."""
        unused = {parameter.name: parameter.values[0] for parameter in self.parameters}
        seen: set[tuple[str, Any]] = set()
        for asked in _points(self.ask, {}):
            values = {**unused, **asked}
            design = self.design(values)
            if (design.family.name, design.config) not in seen:
                seen.add((design.family.name, design.config))
                yield values

    def neighbours(self, point: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """All points that differ in one parameter of this point's network."""
        asked = self.asked(point)
        for parameter in self.parameters:
            if parameter.name in asked:
                for value in parameter.values:
                    if value != point[parameter.name]:
                        yield {**point, parameter.name: value}

    def least(self, measure: Callable[[Design], float]) -> tuple[Design, float]:
        """The network with the smallest measure (the first found, if equal), and its measure; see `least_points`."""
        designs = [self.design(point) for point in self.least_points(measure)]
        return min(((design, measure(design)) for design in designs), key=lambda found: found[1])

    def least_points(self, measure: Callable[[Design], float]) -> list[dict[str, Any]]:
        """For each part, the point with the smallest measure, found by coordinate descent from random points.

        It is exact if the measure is monotonic in each parameter, as costs nearly are.
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
    """All parameters given some fixed answers, and the number of ways to answer the rest.

    Assumes that whether a parameter changes the other questions does not depend on the other answers.
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
    """The questions, in order, if answers are the fixed ones, or else the first possible ones."""
    first = _First(fixed)
    ask(first)
    return first.asked


class _First:
    """Gives fixed answers, or else the first possible ones, and records the questions."""

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
    """Gives known answers, and records which of them were used."""

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
    """Asks another Answers, with a prefix before each name."""

    def __init__(self, answers: Answers, prefix: str) -> None:
        self.answers, self.prefix = answers, prefix

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return self.answers.suggest_int(self.prefix + name, low, high, step=step)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.answers.suggest_categorical(self.prefix + name, choices)
