"""The training loss, for networks with one or several heads."""

from torch import Tensor, nn

AUXILIARY_WEIGHT = 0.3
"""Weight of an auxiliary classifier's loss, as in Szegedy et al. (2015)."""


def training_loss(output: Tensor | tuple[Tensor, ...], labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats of logits (N, classes). Auxiliary heads have the weight AUXILIARY_WEIGHT."""
    logits, *further = output if isinstance(output, tuple) else (output,)
    loss = nn.functional.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
    for head in further:
        auxiliary = nn.functional.cross_entropy(head.float(), labels, label_smoothing=label_smoothing)
        loss = loss + AUXILIARY_WEIGHT * auxiliary
    return loss
