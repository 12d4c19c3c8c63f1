"""The training loop on real images: it learns, repeats itself exactly, and says when it diverges."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_data import TINY, small_data, small_network
from torch import nn

import search_spaces
from pipeline.models.weights import hash_weights
from pipeline.training.evaluation import evaluate
from pipeline.training.history import Progress
from pipeline.training.loop import train
from pipeline.training.recipe import Recipe

LEARNS = Recipe(
    epochs=3, batch_size=32, validation_images=500, train_loss_images=200, learning_rate=0.1, precision="float32"
)


def test_a_network_learns_real_images_far_better_than_chance(prepared_fashion_mnist: Path) -> None:
    history = train(small_network("lenet-small"), LEARNS, small_data(prepared_fashion_mnist, 2000, 500), seed=1)
    assert history.state == "complete" and history.reason is None
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3]
    assert history.epochs[-1].validation_error_percent < 30  # chance is 90
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    assert all(epoch.gradient_norm > 0 for epoch in history.epochs)
    assert len(history.images_per_second) == 3 and history.train_seconds > 0 and history.evaluation_seconds > 0


def test_the_same_seed_gives_the_same_weights_and_history_and_another_seed_others(prepared_fashion_mnist: Path) -> None:
    data = small_data(prepared_fashion_mnist)
    models = [small_network() for _ in range(3)]
    histories = [train(m, TINY, data, seed) for m, seed in zip(models, (5, 5, 6), strict=True)]
    assert {history.state for history in histories} == {"complete"}
    hashes = [hash_weights(model.state_dict()) for model in models]
    assert hashes[0] == hashes[1] != hashes[2]
    assert histories[0].epochs == histories[1].epochs != histories[2].epochs


def test_training_leaves_the_callers_random_stream_alone(prepared_fashion_mnist: Path) -> None:
    data, model = small_data(prepared_fashion_mnist), small_network()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    train(model, replace(TINY, epochs=1), data, seed=0)
    assert torch.equal(torch.rand(4), expected)


def test_divergence_is_caught_in_its_step_and_told(prepared_fashion_mnist: Path) -> None:
    recipe = replace(TINY, learning_rate=1e12, ema_decay=None, warmup_fraction=0.0)
    history = train(small_network(), recipe, small_data(prepared_fashion_mnist), seed=0)
    assert history.state == "failed"
    assert history.reason is not None and "diverged" in history.reason and "at step" in history.reason
    assert len(history.epochs) < recipe.epochs


@pytest.mark.soak
def test_fifty_healthy_trainings_raise_no_false_alarm(prepared_fashion_mnist: Path) -> None:
    data = small_data(prepared_fashion_mnist, 320, 100)
    names = [name for name in search_spaces.references() if name.endswith("-small")]
    for seed in range(50):
        recipe = replace(TINY, epochs=2, augmentations=())
        assert train(small_network(names[seed % len(names)]), recipe, data, seed).state == "complete"


def test_a_nan_in_a_buffer_is_divergence(prepared_fashion_mnist: Path) -> None:
    model = small_network("lenet-small")

    def poison(progress: Progress) -> None:
        next(buffer for name, buffer in model.named_buffers() if name.endswith("running_var")).fill_(float("nan"))

    history = train(model, replace(LEARNS, epochs=2), small_data(prepared_fashion_mnist, 320, 100), 0, tell=poison)
    assert history.state == "failed" and history.reason is not None and "running_var" in history.reason


def test_averaged_weights_are_what_is_left_and_evaluated(prepared_fashion_mnist: Path) -> None:
    data = small_data(prepared_fashion_mnist)
    averaged, plain = small_network(), small_network()
    history = train(averaged, TINY, data, seed=0)
    train(plain, replace(TINY, ema_decay=None), data, seed=0)
    assert hash_weights(averaged.state_dict()) != hash_weights(plain.state_dict())
    score = evaluate(averaged, data.validation, data.preparation(TINY), "float32")
    assert score.loss == history.epochs[-1].validation_loss


def test_evaluation_is_in_eval_mode_and_restores_the_mode(prepared_fashion_mnist: Path) -> None:
    data = small_data(prepared_fashion_mnist)
    model = small_network()  # with dropout
    scores = [evaluate(model, data.validation, data.preparation(TINY), "float32") for _ in range(2)]
    assert scores[0] == scores[1]
    assert model.training


def test_validation_labels_do_not_shape_training(prepared_fashion_mnist: Path) -> None:
    data = small_data(prepared_fashion_mnist)
    shuffled = replace(data, validation=replace(data.validation, stored_labels=data.validation.stored_labels.flip(0)))
    models = [small_network(), small_network()]
    train(models[0], TINY, data, seed=0)
    train(models[1], TINY, shuffled, seed=0)
    assert hash_weights(models[0].state_dict()) == hash_weights(models[1].state_dict())


def test_more_than_the_images_in_a_batch_is_refused(prepared_fashion_mnist: Path) -> None:
    with pytest.raises(ValueError, match=r"batch_size \(=256\) must be at most the training images \(=160\)"):
        train(small_network(), replace(TINY, batch_size=256), small_data(prepared_fashion_mnist), seed=0)


def test_bfloat16_trains_to_about_the_same_loss_as_float32(prepared_fashion_mnist: Path) -> None:
    data = small_data(prepared_fashion_mnist, 640, 200)
    recipes = [replace(LEARNS, epochs=2), replace(LEARNS, epochs=2, precision="bfloat16")]
    losses = [train(small_network("lenet-small"), recipe, data, 0).epochs[-1].train_loss for recipe in recipes]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.15)


def test_images_are_upscaled_on_the_device_to_the_recipes_resolution(prepared_fashion_mnist: Path) -> None:
    data = small_data(prepared_fashion_mnist)
    prepared = data.preparation(replace(TINY, resolution=56)).for_evaluation(data.train.take(slice(4))[0])
    assert prepared.shape == (4, 1, 56, 56)
    native = data.preparation(TINY).for_evaluation(data.train.take(slice(None))[0])
    assert native.shape == (160, 1, 28, 28)
    expected = (data.train.take(slice(None))[0].float() / 255 - data.mean[0]) / data.std[0]
    torch.testing.assert_close(native, expected)


def test_a_training_tells_its_progress(prepared_fashion_mnist: Path) -> None:
    told: list[Progress] = []
    train(small_network(), TINY, small_data(prepared_fashion_mnist), seed=0, tell=told.append)
    assert [p.epoch for p in told if p.step == p.steps] == [1, 2, 3]
    assert len(told[-1].history) == 3 and told[-1].images_per_second > 0


def test_a_linear_model_trains_to_the_closed_form_gradient(prepared_fashion_mnist: Path) -> None:
    """One plain SGD step against the gradient of softmax regression, written out by hand."""
    data = small_data(prepared_fashion_mnist, 32, 100)
    recipe = Recipe(
        epochs=1, batch_size=32, optimizer="sgd", momentum=0.0, nesterov=False, weight_decay=0.0, schedule="constant",
        warmup_fraction=0.0, learning_rate=0.5, initialisation="xavier-uniform", precision="float32",
    )  # fmt: skip
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    started = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    train(started, replace(recipe, learning_rate=1e-30), data, seed=0)
    train(model, recipe, data, seed=0)
    images = data.preparation(recipe).for_evaluation(data.train.take(slice(None))[0]).flatten(1)
    with torch.no_grad():
        errors = started(images).softmax(1) - nn.functional.one_hot(data.train.labels, 10)
    expected = started[1].weight - 0.5 * errors.T @ images / 32
    torch.testing.assert_close(model[1].weight, expected, atol=1e-5, rtol=1e-4)
