"""The training loop: (model, recipe, data, seed, device) -> History.

All random streams are derived from (seed, purpose, epoch), and state is saved at epoch ends. So an interrupted and
resumed training gives the same weights, bit for bit, as an uninterrupted one (same machine, same thread count).
"""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline.training.checkpoint import Checkpoints
from pipeline.training.evaluation import evaluate
from pipeline.training.gradients import accumulate_gradients
from pipeline.training.history import Epoch, History, Progress
from pipeline.training.images import ImageData
from pipeline.training.initialisation import initialise
from pipeline.training.optimisation import learning_rate_at, make_optimizer
from pipeline.training.recipe import Recipe
from pipeline.training.seeding import derive_seed

PROGRESS_SECONDS = 1.0
CUDA_CHECK_STEPS = 50
"""Steps between two readings of the divergence flag on CUDA, since each reading waits for the device."""


class DivergenceError(Exception):
    """NaN or infinity in a loss, a gradient or a buffer."""


def train(
    model: nn.Module,
    recipe: Recipe,
    data: ImageData,
    seed: int,
    device: Literal["cpu", "cuda"] = "cpu",
    *,
    checkpoints: Checkpoints | None = None,
    until: int | None = None,
    micro_batches: int = 1,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> History:
    """Train `model` in place with `recipe` (precision resolved). It ends with its final weights, in eval mode.

    With `until`, training stops after that epoch of the recipe's schedule, saves a checkpoint, and has the state
    "stopped". A later call with a larger `until` resumes as if it had never stopped.

    Batches are split into `micro_batches` parts, or as many as the checkpoint says if that is more. Evaluation batches
    shrink by the same factor. Memory errors (machine.is_out_of_memory) reach the caller, who may resume from the last
    checkpoint with more parts.

    With `recipe.ema_decay`, the averaged weights are evaluated and kept in `model`. If the loss, gradients or buffers
    become NaN or infinite, the state is "failed", with the reason. With `checkpoints`, training resumes from the newest
    undamaged one. Raises ValueError if there are fewer training images than one batch, or if `until` is not an epoch of
    the recipe.
    """
    if len(data.train) < recipe.batch_size:
        raise ValueError(f"batch_size (={recipe.batch_size}) must be at most the training images (={len(data.train)})")
    until = recipe.epochs if until is None else until
    if not 1 <= until <= recipe.epochs:
        raise ValueError(f"until (={until}) must be an epoch of the recipe, from 1 to {recipe.epochs}")
    with torch.random.fork_rng(devices=[0] if device == "cuda" else []):
        return _Training(model, recipe, data, seed, device, checkpoints, tell).run(until, micro_batches)


class _Training:
    """State of one training. `run` is the main method."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        data: ImageData,
        seed: int,
        device: Literal["cpu", "cuda"],
        checkpoints: Checkpoints | None,
        tell: Callable[[Progress], None],
    ) -> None:
        self.recipe, self.data, self.seed, self.device = recipe, data, seed, device
        self.checkpoints, self.tell = checkpoints, tell
        initialise(model, recipe.initialisation, seed)
        self.model = model.to(device).to(memory_format=torch.channels_last).train()
        self.optimizer = make_optimizer(self.model, recipe)
        self.averaged: AveragedModel | None = None
        if recipe.ema_decay is not None:
            average = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            self.averaged = AveragedModel(self.model, multi_avg_fn=average, use_buffers=True)
        self.preparation = data.preparation(recipe)
        self.train_sample = data.train.subset(recipe.train_loss_images)
        self.steps = len(data.train) // recipe.batch_size
        self.history = History()

    def run(self, until: int, micro_batches: int) -> History:
        self._restore()
        self.history.micro_batches = max(micro_batches, self.history.micro_batches)
        stopping = until < self.recipe.epochs
        for epoch in range(len(self.history.epochs), until):
            try:
                gradient_norm = self._train_epoch(epoch)
                self._observe(epoch, gradient_norm)
            except DivergenceError as error:
                self.history.state, self.history.reason = "failed", f"diverged: {error}"
                break
            self.tell(self._progress(epoch, self.steps, self.history.images_per_second[-1]))
            last = epoch + 1 == until
            self.history.state = "stopped" if last and stopping else "complete"
            if self.checkpoints is not None and (stopping if last else self.checkpoints.due()):
                self.checkpoints.save(epoch + 1, self._state())
        if stopping and len(self.history.epochs) >= until:
            self.history.state = "stopped"
        if self.averaged is not None:
            self.model.load_state_dict(self.averaged.module.state_dict())
        self.model.eval()
        return self.history

    def _train_epoch(self, epoch: int) -> float:
        """One pass over the training images; returns the mean gradient norm."""
        recipe, images = self.recipe, self.data.train
        torch.manual_seed(derive_seed(self.seed, "dropout", epoch))
        order_stream = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        order = torch.randperm(len(images), generator=order_stream).to(images.device)
        stream = torch.Generator(images.device).manual_seed(derive_seed(self.seed, "augmentation", epoch))
        watch = _DivergenceWatch(self.device)
        norms = torch.zeros((), device=images.device)
        started = reported = time.perf_counter()
        for step in range(self.steps):
            rate = learning_rate_at(epoch * self.steps + step, recipe.epochs * self.steps, recipe)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            pixels, labels = images.take(order[step * recipe.batch_size : (step + 1) * recipe.batch_size])
            batch = self.preparation.for_training(pixels, stream)  # (batch, C, side, side)
            loss = accumulate_gradients(self.model, batch, labels, recipe, self.device, self.history.micro_batches)
            norm = nn.utils.get_total_norm(p.grad for p in self.model.parameters() if p.grad is not None)
            watch.look(step, loss, norm)
            self.optimizer.step()
            norms += norm
            if self.averaged is not None:
                self.averaged.update_parameters(self.model)
            now = time.perf_counter()
            if now - reported >= PROGRESS_SECONDS:
                reported = now
                self.tell(self._progress(epoch, step + 1, (step + 1) * recipe.batch_size / (now - started)))
        watch.check()
        seconds = time.perf_counter() - started
        self.history.train_seconds += seconds
        self.history.images_per_second.append(self.steps * recipe.batch_size / seconds)
        return float(norms) / self.steps

    def _observe(self, epoch: int, gradient_norm: float) -> None:
        """Add the epoch's losses and error to the history."""
        started = time.perf_counter()
        model = self.model if self.averaged is None else self.averaged.module
        for name, buffer in model.named_buffers():
            if buffer.is_floating_point() and not torch.isfinite(buffer).all():
                raise DivergenceError(f"{name} is not finite after epoch {epoch + 1}")
        reported = [started]

        def alive() -> None:
            if time.perf_counter() - reported[0] >= PROGRESS_SECONDS:
                reported[0] = time.perf_counter()
                self.tell(self._progress(epoch, self.steps, self.history.images_per_second[-1]))

        precision, parts = self.recipe.precision, self.history.micro_batches
        train = evaluate(model, self.train_sample, self.preparation, precision, alive, parts)
        validation = evaluate(model, self.data.validation, self.preparation, precision, alive, parts)
        if not (math.isfinite(train.loss) and math.isfinite(validation.loss)):
            raise DivergenceError(f"loss in eval mode is not finite after epoch {epoch + 1}")
        self.history.epochs.append(
            Epoch(
                epoch=epoch + 1,
                train_loss=train.loss,
                validation_loss=validation.loss,
                validation_error_percent=validation.error_percent,
                learning_rate=self.optimizer.param_groups[0]["lr"],
                gradient_norm=gradient_norm,
            )
        )
        self.history.evaluation_seconds += time.perf_counter() - started

    def _progress(self, epoch: int, step: int, images_per_second: float) -> Progress:
        return Progress(epoch + 1, self.recipe.epochs, step, self.steps, images_per_second, tuple(self.history.epochs))

    def _state(self) -> dict[str, Any]:
        """Everything needed to resume, as tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "history": dataclasses.asdict(self.history),
        }

    def _restore(self) -> None:
        state = None if self.checkpoints is None else self.checkpoints.load(self.device)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        history = state["history"]
        self.history = History(**{**history, "epochs": [Epoch(**epoch) for epoch in history["epochs"]]})
        if self.history.state == "stopped":  # it ended as planned, so this is not another attempt
            self.history.state = "complete"
        else:
            self.history.starts += 1


class _DivergenceWatch:
    """Remembers the first step whose loss or gradient norm is not finite.

    On CPU it checks each step at once. On CUDA the flag stays on the device and is read every CUDA_CHECK_STEPS steps.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.first = torch.full((), -1, device=device)

    def look(self, step: int, loss: Tensor, norm: Tensor) -> None:
        if self.device == "cpu":
            for name, value in (("loss", loss), ("gradient norm", norm)):
                if not math.isfinite(value.item()):
                    raise DivergenceError(f"{name} is {value.item()} at step {step + 1} of its epoch")
            return
        finite = torch.isfinite(loss.detach()) & torch.isfinite(norm)
        self.first = torch.where((self.first < 0) & ~finite, step, self.first)
        if (step + 1) % CUDA_CHECK_STEPS == 0:
            self.check()

    def check(self) -> None:
        first = int(self.first)
        if first >= 0:
            raise DivergenceError(f"loss or gradient norm is not finite at step {first + 1} of its epoch")
