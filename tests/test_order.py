"""The order in which tests start, and which of them share a worker."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from conftest import COSTLY, pytest_collection_modifyitems


@dataclass
class Collected:
    """What the hook sees of a test."""

    name: str
    fixturenames: tuple[str, ...] = ()
    path: Path = Path("tests/test_some.py")
    groups: list[str] = field(default_factory=list)

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.groups.append(mark.args[0])


def test_long_groups_start_first_then_tests_that_train_then_the_others() -> None:
    alone, trains = Collected("alone"), Collected("trains", ("study", "prepared_fashion_mnist"))
    groups = [Collected(fixture, ("prepared_fashion_mnist", fixture)) for fixture in COSTLY]
    both = Collected("both", ("searched", "browser"))
    items = [alone, trains, *reversed(groups), both]
    pytest_collection_modifyitems(cast("list[pytest.Item]", items))
    clone, browser, *others = COSTLY
    assert [item.name for item in items] == [clone, browser, "both", *others, "trains", "alone"]
    assert both.groups == ["test_some-browser"] and trains.groups == alone.groups == []


def test_xdist_keeps_this_order(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("loadscopereorder") is False
