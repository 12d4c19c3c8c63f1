"""Training protocols: what they refuse, and which seeds are whose."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.training.protocol import TrainingProtocol

PROTOCOL = TrainingProtocol("common", {"epochs": 2}, (0.1, 0.3), {}, choice_seeds=3, seeds=3, first_seed=9_998)


def test_no_seed_both_chooses_a_rate_and_is_reported() -> None:
    assert PROTOCOL.reported_seeds == (9_998, 9_999, 10_000)
    assert PROTOCOL.choosing_seeds == (0, 10_001, 10_002)
    assert replace(PROTOCOL, choice_seeds=1).choosing_seeds == (0,)


def test_a_network_may_change_the_recipe_and_the_grid_of_its_protocol() -> None:
    assert PROTOCOL.changed({}) == PROTOCOL
    own = PROTOCOL.changed({"batch_size": 8, "epochs": 3}, (0.2,))
    assert own == replace(PROTOCOL, changes={"epochs": 3, "batch_size": 8}, rates=(0.2,))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rates": (0.1, 0.0)}, r"rates \(=\(0.1, 0.0\)\) must be positive and finite"),
        ({"rates": (0.1, float("nan"))}, "must be positive and finite"),
        ({"rates": (0.1, 0.1)}, "must differ from one another"),
        ({"seeds": 0}, r"^seeds \(=0\) must be at least 1"),
        ({"choice_seeds": 0}, r"choice_seeds \(=0\) must be at least 1"),
        ({"first_seed": 0}, r"from first_seed \(=0\) on must lie from 1 to 10,000"),
        ({"seeds": 4}, r"seeds \(=4\) from first_seed \(=9998\) on must lie from 1 to 10,000"),
        ({"reduction": 1}, r"reduction \(=1\) must be at least 2"),
        ({"choice": {"resolution": 96}}, "choice must not change the resolution"),
        ({"choice": {"learning_rate": 0.1}}, "choice must not change the learning_rate"),
    ],
)
def test_an_impossible_protocol_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(PROTOCOL, **changes)
