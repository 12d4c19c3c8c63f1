"""Memory of training: bytes saved for backward per image, and the peak of a training step."""

import torch
from torch import Tensor, nn

from pipeline.machine import DeviceKind, resolve_precision
from pipeline.training.evaluation import autocast
from pipeline.training.loss import training_loss

OPTIMIZER_COPIES = 3
"""Weights, gradients and one momentum buffer, each in float32."""


def saved_bytes_per_sample(model: nn.Module, channels: int, resolution: int) -> int:
    """Bytes autograd keeps for the backward pass of one more image, in train mode and float32.

    Weights are excluded, and a storage that several tensors share counts once. Computed as the difference between
    batches of 4 and 2, so that memory per batch (such as batch statistics) does not count. Works on the meta device.
    """
    model.train()
    four, two = (_saved_bytes(model, batch, channels, resolution) for batch in (4, 2))
    return (four - two) // 2


def _saved_bytes(model: nn.Module, batch: int, channels: int, resolution: int) -> int:
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}  # keeps tensors alive, so that storage addresses stay unique

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept.setdefault(storage._cdata, tensor)
        return tensor

    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(torch.zeros(batch, channels, resolution, resolution, device=device))
    del output
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def training_memory(
    model: nn.Module, channels: int, resolution: int, batch: int, device: DeviceKind
) -> tuple[int, str]:
    """Peak memory in bytes of a training step with `batch` images, and how it was determined.

    On CUDA it is the allocator's peak in a real step, in the card's usual precision; raises torch.OutOfMemoryError if
    the card has less memory. On CPU, which has no such counter, it is the sum of the batch's saved tensors, weights,
    gradients and momentum.
    """
    if device == "cpu":
        weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        saved = saved_bytes_per_sample(model, channels, resolution) * batch
        return saved + OPTIMIZER_COPIES * weights, "saved tensors + weights, gradients, momentum (float32)"
    precision = resolve_precision("auto", device)
    model = model.to("cuda").to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    images = torch.zeros(batch, channels, resolution, resolution, device="cuda")
    labels = torch.zeros(batch, dtype=torch.int64, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):  # the first step allocates the momentum
        with autocast("cuda", precision):
            loss = training_loss(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated(), f"cuda allocator, {precision}"
