"""Gradients of a batch: of all its images at once, or of parts of it in turn where memory is short.

Where a pass runs out of memory the parts, the micro-batches, are halved and the batch is begun again. The images of an
optimizer's step, their augmentation and their order stay as they were. Dropout draws other units, and batch
normalisation normalises by the statistics of each micro-batch, so a training that was so split is told from one that
was not (`History.micro_batches`).
"""

import gc
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.machine import is_out_of_memory
from pipeline.training.evaluation import autocast
from pipeline.training.loss import training_loss
from pipeline.training.recipe import Recipe


class Gradients:
    """Leaves the gradients of a batch in the parameters of `model`."""

    def __init__(self, model: nn.Module, recipe: Recipe, device: Literal["cpu", "cuda"]) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        self.smallest = 2 if any(isinstance(layer, nn.BatchNorm1d) for layer in model.modules()) else 1
        """Images of a micro-batch: one value a channel has no variance to normalise by."""
        by_type: dict[torch.dtype, list[Tensor]] = {}  # buffers of one type are copied in one call
        for buffer in model.buffers():
            by_type.setdefault(buffer.dtype, []).append(buffer)
        self.buffers = list(by_type.values())
        self.saved = [[buffer.clone() for buffer in buffers] for buffers in self.buffers]

    def take(self, batch: Tensor, labels: Tensor, micro_batches: int = 1) -> tuple[Tensor, int]:
        """The mean loss of `batch` (N, C, side, side) in nats, and in how many micro-batches it was taken.

        These are doubled for as long as memory runs out, each time from the buffers and the random state before the
        batch. Raises what was raised where micro-batches cannot be smaller.
        """
        self._save()
        while True:
            try:
                return self._accumulate(batch, labels, micro_batches), micro_batches
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or len(labels) // (2 * micro_batches) < self.smallest:
                    raise
            micro_batches *= 2
            self._restore()

    def _accumulate(self, batch: Tensor, labels: Tensor, micro_batches: int) -> Tensor:
        self.model.zero_grad()
        total = torch.zeros((), device=batch.device)
        for images, targets in zip(batch.tensor_split(micro_batches), labels.tensor_split(micro_batches), strict=True):
            with autocast(self.device, self.recipe.precision):
                output = self.model(images)  # (micro-batch, classes)
            loss = training_loss(output, targets, self.recipe.label_smoothing) * (len(targets) / len(labels))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _save(self) -> None:
        """Keep what a forward pass alters: buffers (batch statistics) and the random state (dropout)."""
        for saved, buffers in zip(self.saved, self.buffers, strict=True):
            torch._foreach_copy_(saved, buffers)
        self.random = torch.cuda.get_rng_state() if self.device == "cuda" else torch.get_rng_state()

    def _restore(self) -> None:
        """Free what the failed pass held, and put back what it altered."""
        self.model.zero_grad()
        gc.collect()
        for saved, buffers in zip(self.saved, self.buffers, strict=True):
            torch._foreach_copy_(buffers, saved)
        if self.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.set_rng_state(self.random)
        else:
            torch.set_rng_state(self.random)
