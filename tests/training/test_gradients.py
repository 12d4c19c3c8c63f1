"""Recipe 5 of reliability, in the training loop: a batch in parts, where memory does not hold it whole."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from memory import short_of_memory
from small_data import TINY, small_data, small_network
from torch import nn

from pipeline.models.weights import hash_weights
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.gradients import accumulate_gradients, smallest_micro_batch
from pipeline.training.loop import train


def test_the_gradient_of_parts_is_that_of_the_batch_where_no_layer_looks_across_images() -> None:
    batch, labels = torch.randn(50, 1, 28, 28), torch.arange(50) % 10
    model = small_network("lenet-small").eval()  # without dropout
    whole_loss = accumulate_gradients(model, batch, labels, TINY, "cpu")
    whole = [parameter.grad for parameter in model.parameters()]
    sizes = short_of_memory(model, 7)
    loss = accumulate_gradients(model, batch, labels, TINY, "cpu", 8)
    assert sorted(sizes) == [6, 6, 6, 6, 6, 6, 7, 7]
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close([parameter.grad for parameter in model.parameters()], whole)


@pytest.mark.parametrize(
    ("layer", "smallest"), [(nn.Dropout(), 1), (nn.BatchNorm1d(10), 2), (nn.Sequential(nn.BatchNorm2d(4)), 2)]
)
def test_batch_norm_needs_more_than_one_image(layer: nn.Module, smallest: int) -> None:
    assert smallest_micro_batch(nn.Sequential(nn.Linear(10, 10), layer)) == smallest


def test_a_training_goes_on_in_parts_from_its_checkpoint_bit_for_bit(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    data = small_data(prepared_fashion_mnist)
    recipe = replace(TINY, epochs=2)
    whole, split, resumed = (small_network("resnet-small") for _ in range(3))
    plain = train(whole, recipe, data, seed=3)
    sizes = short_of_memory(split, 31)
    history = train(split, recipe, data, seed=3, micro_batches=16)
    assert (plain.micro_batches, history.micro_batches, history.state) == (1, 16, "complete")
    assert set(sizes) == {2, 31, 19, 7}  # batches of 32 in 16 parts; 50 and 100 images evaluated 500 / 16 at once
    assert hash_weights(split.state_dict()) != hash_weights(whole.state_dict())  # batch norm looks across images
    checkpoints = Checkpoints(tmp_path, every_seconds=0.0)
    train(resumed, recipe, data, seed=3, checkpoints=checkpoints, until=1, micro_batches=16)
    fresh = small_network("resnet-small")  # goes on as the checkpoint was made
    again = train(fresh, recipe, data, seed=3, checkpoints=checkpoints)
    assert again.micro_batches == 16 and again.epochs == history.epochs
    assert hash_weights(fresh.state_dict()) == hash_weights(split.state_dict())
