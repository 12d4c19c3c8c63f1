"""Recipe 5 of reliability: memory runs out in a batch, which is then trained in parts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from memory import short_of_memory
from small_data import TINY, small_data, small_network
from torch import Tensor, nn

from pipeline.running.materials import hash_weights
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.gradients import Gradients
from pipeline.training.loop import train


def network() -> nn.Sequential:
    """One with batch norm and dropout, both of which a forward pass alters."""
    torch.manual_seed(0)
    return nn.Sequential(small_network("resnet-small"), nn.Dropout(0.5))


def state(model: nn.Module) -> list[Tensor]:
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(gradients) == len(list(model.parameters()))
    return [*gradients, *(buffer.clone() for buffer in model.buffers()), torch.get_rng_state()]


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, torch.OutOfMemoryError])
def test_a_batch_that_does_not_fit_ends_as_if_it_had_been_split_from_the_start(error: type[Exception]) -> None:
    batch, labels = torch.randn(32, 1, 28, 28), torch.arange(32) % 10
    short, split = network(), network()
    passes = short_of_memory(short, 8, error)
    random = torch.get_rng_state()
    loss, micro_batches = Gradients(short, TINY, "cpu").take(batch, labels)
    found = state(short)
    torch.set_rng_state(random)
    expected_loss, _ = Gradients(split, TINY, "cpu").take(batch, labels, 4)
    assert micro_batches == 4 and passes == [32, 16, 8, 8, 8, 8]
    assert torch.equal(loss, expected_loss)
    assert all(torch.equal(a, b) for a, b in zip(found, state(split), strict=True))


def test_the_gradient_of_parts_is_that_of_the_batch_where_no_layer_looks_across_images() -> None:
    batch, labels = torch.randn(50, 1, 28, 28), torch.arange(50) % 10
    model = small_network("lenet-small").eval()  # without dropout
    whole_loss, _ = Gradients(model, TINY, "cpu").take(batch, labels)
    whole = [parameter.grad for parameter in model.parameters()]
    loss, _ = Gradients(model, TINY, "cpu").take(batch, labels, 8)  # parts of 7 and 6 images
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close([parameter.grad for parameter in model.parameters()], whole)


@pytest.mark.parametrize(("norm", "smallest"), [(nn.Identity(), 1), (nn.BatchNorm1d(10), 2)])
def test_where_not_even_the_smallest_part_fits_the_error_is_told(norm: nn.Module, smallest: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), norm)
    passes = short_of_memory(model, 0, torch.OutOfMemoryError)
    with pytest.raises(torch.OutOfMemoryError):
        Gradients(model, TINY, "cpu").take(torch.randn(9, 1, 28, 28), torch.arange(9))
    assert passes == ([9, 5, 3, 2] if smallest == 1 else [9, 5, 3])


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(783, 10))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Gradients(model, TINY, "cpu").take(torch.randn(8, 1, 28, 28), torch.arange(8))


def test_a_training_goes_on_in_parts_says_so_and_resumes_bit_for_bit(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    data = small_data(prepared_fashion_mnist)
    recipe = replace(TINY, epochs=2)
    whole, split, resumed = (small_network("resnet-small") for _ in range(3))
    plain = train(whole, recipe, data, seed=3)
    passes = short_of_memory(split, 16)
    history = train(split, recipe, data, seed=3)
    assert (plain.micro_batches, history.micro_batches, history.state) == (1, 2, "complete")
    assert passes == [32, 16, 16] + 9 * [16, 16]  # 5 steps an epoch; after the first, split from the start
    assert hash_weights(split.state_dict()) != hash_weights(whole.state_dict())  # batch norm looks across images
    checkpoints = Checkpoints(tmp_path, every_seconds=0.0)
    short_of_memory(resumed, 16)
    train(resumed, recipe, data, seed=3, checkpoints=checkpoints, until=1)
    fresh = small_network("resnet-small")  # has memory enough, and goes on as it began
    again = train(fresh, recipe, data, seed=3, checkpoints=checkpoints)
    assert again.micro_batches == 2 and again.epochs == history.epochs
    assert hash_weights(fresh.state_dict()) == hash_weights(split.state_dict())
