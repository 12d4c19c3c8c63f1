"""Parts of the engine: recipes, schedules, optimizers, initial weights, subsets, seeds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pipeline.errors import UsageError
from pipeline.schema import parse, to_json
from pipeline.training.images import stratified_subset
from pipeline.training.initialisation import initialise
from pipeline.training.loss import AUXILIARY_WEIGHT, training_loss
from pipeline.training.optimisation import learning_rate_at, make_optimizer
from pipeline.training.recipe import Recipe
from pipeline.training.seeding import derive_seed

STEPS = 200


def test_a_recipe_survives_json() -> None:
    recipe = parse(Recipe, {"epochs": 2, "augmentations": [{"op": "hue", "amount": 0.1}]}, "recipe")
    assert parse(Recipe, to_json(recipe), "recipe") == recipe


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"epoch": 3}, r"recipe\.epoch: unknown key; did you mean 'epochs'\?"),
        ({"epochs": "3"}, r"recipe\.epochs \(='3'\)"),
        ({"epochs": 0}, r"epochs \(=0\) must be at least 1"),
        ({"epochs": 1, "learning_rate": -1.0}, r"learning_rate \(=-1.0\) must be positive"),
        ({"epochs": 1, "optimizer": "adm"}, r"optimizer \(='adm'\)"),
        ({"epochs": 1, "momentum": 0.0}, r"nesterov \(=True\) needs momentum"),
        ({"epochs": 1, "ema_decay": 1.0}, r"ema_decay \(=1.0\) must be in \(0, 1\)"),
        (
            {"epochs": 1, "augmentations": [{"op": "hue", "amount": 2.0}]},
            r"amount \(=2.0\) of hue must be in \[0, 0.5\]",
        ),
    ],
)
def test_impossible_recipes_are_refused_naming_parameter_value_and_rule(fields: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse(Recipe, fields, "recipe")


def test_cosine_rises_linearly_through_its_warm_up_and_falls_to_zero() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.4, warmup_fraction=0.1)
    rates = [learning_rate_at(step, STEPS, recipe) for step in range(STEPS)]
    assert rates[0] == pytest.approx(0.4 / 20) and rates[19] == pytest.approx(0.4) == max(rates)
    assert rates[20 + 90] == pytest.approx(0.2)
    assert 0 < rates[-1] < 0.001


def test_one_cycle_is_that_of_torch() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.4, schedule="one-cycle")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.4, total_steps=STEPS, cycle_momentum=False)
    for step in range(STEPS):
        assert learning_rate_at(step, STEPS, recipe) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)
        optimizer.step()
        if step + 1 < STEPS:
            theirs.step()


def test_a_constant_schedule_is_constant() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1, schedule="constant", warmup_fraction=0.0)
    assert {learning_rate_at(step, STEPS, recipe) for step in range(STEPS)} == {0.1}


@given(st.integers(1, 500), st.sampled_from(["cosine", "one-cycle", "constant"]), st.floats(0, 0.9))
def test_no_schedule_exceeds_its_peak_or_falls_below_zero(steps: int, schedule: str, warmup: float) -> None:
    recipe = Recipe(epochs=1, learning_rate=0.3, schedule=schedule, warmup_fraction=warmup)  # type: ignore[arg-type]
    rates = [learning_rate_at(step, steps, recipe) for step in range(steps)]
    assert all(0 <= rate <= 0.3 * (1 + 1e-9) for rate in rates)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_spares_norms_and_biases(optimizer: str) -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    made = make_optimizer(model, Recipe(epochs=1, optimizer=optimizer, weight_decay=0.01))  # type: ignore[arg-type]
    decayed = {id(p) for group in made.param_groups if group["weight_decay"] == 0.01 for p in group["params"]}
    assert decayed == {id(model[0].weight), id(model[3].weight)}
    assert sum(len(group["params"]) for group in made.param_groups) == 6


def test_adamw_without_decay_is_adam() -> None:
    def stepped(make: type[torch.optim.Optimizer] | None) -> torch.Tensor:
        weight = nn.Parameter(torch.ones(3, 3))
        model = nn.ParameterList([weight])
        recipe = Recipe(epochs=1, optimizer="adamw", weight_decay=0.0, learning_rate=0.01)
        optimizer = make_optimizer(model, recipe) if make is None else torch.optim.Adam([weight], lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            (weight**3).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return weight.detach()

    torch.testing.assert_close(stepped(None), stepped(torch.optim.Adam))


@pytest.mark.parametrize(
    ("scheme", "variance"),
    [
        ("he-normal", 2 / 576),
        ("xavier-uniform", 2 / (576 + 1152)),
        ("framework", 1 / (3 * 576)),
        ("small-normal", 0.2**2 * 2 / 576),
        ("large-normal", 5**2 * 2 / 576),
    ],
)
def test_initial_weights_have_the_schemes_variance(scheme: str, variance: float) -> None:
    convolution, norm = nn.Conv2d(64, 128, 3), nn.BatchNorm2d(128)
    with torch.no_grad():
        norm.weight.fill_(7)
    initialise(nn.Sequential(convolution, norm), scheme, seed=0)  # type: ignore[arg-type]
    assert convolution.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert convolution.bias is not None
    assert bool(torch.all(convolution.bias == 0)) == (scheme != "framework")
    assert bool(torch.all(norm.weight == 1)) and bool(torch.all(norm.bias == 0))


def test_initial_weights_depend_on_the_seed_alone() -> None:
    models = [nn.Linear(8, 8) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        initialise(model, "he-normal", seed)
    assert torch.equal(models[0].weight, models[1].weight)
    assert not torch.equal(models[0].weight, models[2].weight)


def test_seeds_of_other_purposes_epochs_and_runs_differ() -> None:
    seeds = {derive_seed(s, p, e) for s in range(3) for p in ("order", "dropout") for e in range(3)}
    assert len(seeds) == 18 and all(0 <= seed < 2**63 for seed in seeds)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.data())
def test_subsets_are_stratified_nested_and_repeatable(counts: list[int], data: st.DataObject) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    size = data.draw(st.integers(1, len(labels)))
    chosen = stratified_subset(labels, size)
    assert len(chosen) == len(set(chosen)) == size
    assert np.array_equal(chosen, stratified_subset(labels, size))
    for label, count in enumerate(counts):
        share = size * count / len(labels)
        assert math.floor(share) - 1 <= (labels[chosen] == label).sum() <= math.ceil(share) + 1
    if size > 1:
        assert set(stratified_subset(labels, size - 1)) <= set(chosen)


def test_the_protocols_of_the_source_are_recipes() -> None:
    from pipeline.settings import read_settings
    from pipeline.workspace import current_workspace

    settings = read_settings(current_workspace().params_file)
    lenet = settings.recipe_named("d2l", "lenet")
    assert (lenet.learning_rate, lenet.resolution, lenet.epochs, lenet.batch_size) == (0.1, 28, 10, 128)
    assert (lenet.momentum, lenet.weight_decay, lenet.schedule) == (0, 0, "constant")
    assert lenet.initialisation == "xavier-uniform"
    alexnet = settings.recipe_named("d2l", "alexnet")
    assert (alexnet.learning_rate, alexnet.resolution, alexnet.initialisation) == (0.01, 224, "framework")
    notebook = settings.recipe_named("notebook", "resnet18")
    assert (notebook.optimizer, notebook.learning_rate, notebook.epochs, notebook.resolution) == ("adamw", 0.001, 5, 50)
    assert replace(notebook, epochs=1, resolution=None) == settings.recipe_named("notebook")


def test_further_heads_count_with_their_weight_in_the_loss() -> None:
    logits, further = torch.randn(6, 3), torch.randn(6, 3)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    one, other = (nn.functional.cross_entropy(each, labels) for each in (logits, further))
    assert training_loss(logits, labels) == one
    torch.testing.assert_close(training_loss((logits, further), labels), one + AUXILIARY_WEIGHT * other)
