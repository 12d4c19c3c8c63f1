"""Full trainings of the population's networks: continued from what is published, whichever machine it came from."""

from dataclasses import replace

import numpy as np
import pytest
from table_search import table_plan

import search_spaces
from benchmarks import full_trainings
from benchmarks.full_trainings import train_in_full
from pipeline.cost.limits import Limits
from pipeline.data.manifest import load_manifest
from pipeline.evidence.population import FULL, TABLE, FullTraining, FullTrainings, PopulationTable, TableNetwork
from pipeline.evidence.store import RunStore
from pipeline.files import write_json
from pipeline.schema import read_record, to_json
from pipeline.search.gate import costs_of, described
from pipeline.training.recipe import Recipe
from pipeline.workspace import Workspace


@pytest.fixture
def populated(study: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a published table of three small networks, which "full" trains for an epoch of 256 images."""
    recipe = Recipe(epochs=1, batch_size=32, train_images=256, validation_images=100, train_loss_images=100)
    monkeypatch.setattr(full_trainings, "RECIPE", recipe)
    monkeypatch.setattr(full_trainings, "NETWORKS", 3)
    plan = table_plan(
        load_manifest(study.prepared_data / "fashion-mnist"),
        "lenet",
        sampler="random",
        halving=False,
        limits=Limits(macs=1_000_000),
    )
    space, generator = search_spaces.space(plan.space), np.random.default_rng(0)
    networks: list[TableNetwork] = []
    while len(networks) < 3:
        values = space.draw(generator)
        design = space.design(values)
        costs = costs_of(design, plan)
        assert costs is not None
        networks.append(TableNetwork(len(networks), described(design), values, costs, {"0": (10.0,)}, 1.0))
    write_json(study.published / TABLE, to_json(PopulationTable(plan, tuple(networks), 0, {}, {}, "")))
    return study


def test_what_is_published_is_not_trained_again(populated: Workspace) -> None:
    train_in_full(populated)
    found = read_record(FullTrainings, populated.published / FULL)
    assert [training.number for training in found.networks] == [0, 1, 2] and len(found.hardware) == 1
    assert all(len(training.errors) == 1 and training.precision != "auto" for training in found.networks)
    elsewhere = replace(found, networks=(FullTraining(1, (7.0,), "bfloat16"),), hardware=({"processor": "another"},))
    write_json(populated.published / FULL, to_json(elsewhere))
    runs = len(list(RunStore(populated.runs)))
    train_in_full(populated)
    again = read_record(FullTrainings, populated.published / FULL)
    assert again.networks == (found.networks[0], elsewhere.networks[0], found.networks[2])
    assert again.hardware == ({"processor": "another"}, *found.hardware)
    assert len(list(RunStore(populated.runs))) == runs
