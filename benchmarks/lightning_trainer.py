"""PyTorch Lightning with the settings that its documentation recommends.

One persistent worker per core, the device's best precision, no logger, checkpoints, progress bar or sanity check. The
data set is the textbook trainer's. Needs the extra `bench`.
"""

import logging
import time
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.textbook import PilImages
from pipeline.machine import cores


class _Module(lightning.LightningModule):
    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        super().__init__()
        self.network, self.learning_rate = network, learning_rate

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, labels = batch
        return nn.functional.cross_entropy(self.network(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.learning_rate, fused=True)


class _Watch(lightning.Callback):
    """Times the training from the end of batch number `skip` to the end of the last batch."""

    def __init__(self, skip: int) -> None:
        self.skip, self.seen, self.started, self.ended = skip, 0, 0.0, 0.0

    def on_train_batch_end(self, *_: Any) -> None:
        self.seen += 1
        self.ended = time.perf_counter()
        if self.seen == self.skip:
            self.started = self.ended


def train(
    network: nn.Module,
    images: PilImages,
    batch_size: int,
    learning_rate: float,
    epochs: int,
    precision: str,
    skip_batches: int,
) -> float:
    """Train in place; returns the seconds of all batches after the first `skip_batches`."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    loader = DataLoader(images, batch_size, shuffle=True, num_workers=cores(), persistent_workers=True, drop_last=True)
    watch = _Watch(skip_batches)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[watch],
    )
    trainer.fit(_Module(network, learning_rate), loader)
    return watch.ended - watch.started
