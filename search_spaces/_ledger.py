"""A network's cost in closed form: follows its shapes and adds up counts, without building layers.

Each family's `walk(config, ledger, num_classes)` mirrors its `build` with shape arithmetic only. Contract tests check
that both agree. Conventions: MACs are multiply-accumulates of convolutions and dense layers for one image, without
biases. Activations are the elements of all convolution outputs (Radosavovic et al., "Designing Network Design Spaces",
2020, section 3: the count that predicts run time best).
"""

from collections.abc import Iterable
from dataclasses import dataclass


class TooSmallError(ValueError):
    """The input is so small that a layer of the network would have no output."""


@dataclass(frozen=True)
class Price:
    """Exact counts of one network at one resolution. `params_dense` is the part of `params` in dense layers."""

    params: int
    params_dense: int
    macs: int
    activations: int


class Ledger:
    """The shape (channels, side, side) at one point of a network, and the counts up to this point.

    Methods return the ledger itself, so that a walk reads like the network.
    """

    def __init__(self, channels: int, side: int) -> None:
        self.channels = channels
        self.side = side
        self._totals = _Totals(resolution=side)

    def fork(self) -> "Ledger":
        """A second path from this point, with the same totals."""
        branch = Ledger.__new__(Ledger)
        branch.channels, branch.side, branch._totals = self.channels, self.side, self._totals
        return branch

    def concatenate(self, branches: Iterable["Ledger"]) -> "Ledger":
        """Continue with the branches' outputs, concatenated along channels. Their sides must be equal."""
        ends = list(branches)
        assert len({end.side for end in ends}) == 1, "branches of one concatenation differ in side"
        self.channels, self.side = sum(end.channels for end in ends), ends[0].side
        return self

    def conv(
        self, out: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1, bias: bool = True
    ) -> "Ledger":
        """A 2-d convolution with square kernel."""
        self.side = self._window(kernel, stride, padding)
        weights = kernel * kernel * (self.channels // groups) * out
        totals = self._totals
        totals.params += weights + (out if bias else 0)
        totals.macs += weights * self.side * self.side
        totals.activations += out * self.side * self.side
        self.channels = out
        return self

    def norm(self) -> "Ledger":
        """A batch norm over the current channels: a scale and a shift each."""
        self._totals.params += 2 * self.channels
        return self

    def pool(self, kernel: int, stride: int, padding: int = 0) -> "Ledger":
        """A max- or average-pool."""
        self.side = self._window(kernel, stride, padding)
        return self

    def global_pool(self) -> "Ledger":
        """An average over the whole map."""
        self.side = 1
        return self

    def dense(self, out: int) -> "Ledger":
        """A fully connected layer with bias on the flattened map."""
        weights = self.channels * self.side * self.side * out
        totals = self._totals
        totals.params += weights + out
        totals.params_dense += weights + out
        totals.macs += weights
        self.channels, self.side = out, 1
        return self

    def auxiliary_dense(self, out: int) -> "Ledger":
        """A dense layer used only in training: its parameters count, its MACs do not."""
        self._totals.params += self.channels * self.side * self.side * out + out
        self.channels, self.side = out, 1
        return self

    def price(self) -> Price:
        """The counts so far."""
        totals = self._totals
        return Price(totals.params, totals.params_dense, totals.macs, totals.activations)

    def _window(self, kernel: int, stride: int, padding: int) -> int:
        padded = self.side + 2 * padding
        if padded < kernel:
            raise TooSmallError(
                f"resolution (={self._totals.resolution}) is too small: a kernel of {kernel} "
                f"meets a map of {self.side} pixels with padding {padding}"
            )
        return (padded - kernel) // stride + 1


@dataclass
class _Totals:
    resolution: int
    params: int = 0
    params_dense: int = 0
    macs: int = 0
    activations: int = 0
