"""What a pass through an encoder depends on besides its weights and its input."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from core.kernels.batch_norm import AllReduce
from core.kernels.dropout import Dropout
from core.kernels.library import NativeLibrary

_PLACE_STRIDE = 0x632BE59BD9B4E019
"""Odd; spreads the seeds of neighbouring places over all 64 bits."""
_PLACES_PER_NETWORK = 1 << 16


@dataclass(frozen=True)
class PassContext:
    """How to compute, and which masks to draw.

    `dtype`: of activations; None computes in the weights' own. `native`: the compiled kernels, or None for
    plain PyTorch. `seed`: int64 scalar tensor that dropout is drawn from; needed in training where any
    probability is above 0. `first_clip`: position of this rank's first clip in the step's whole batch.
    `all_reduce`: sums a tensor over the `num_ranks` ranks in place, so that batch statistics are those of
    all; None leaves every rank its own.
    """

    dtype: torch.dtype | None = None
    native: NativeLibrary | None = None
    seed: Tensor | None = None
    first_clip: int = 0
    all_reduce: AllReduce | None = None
    num_ranks: int = 1

    def for_network(self, index: int) -> "PassContext":
        """The same for another network of the step, with masks of its own."""
        if self.seed is None:
            return self
        return replace(self, seed=_moved(self.seed, index * _PLACES_PER_NETWORK))

    def dropout(self, probability: float, *, place: int, rows_per_clip: int) -> Dropout:
        """Dropout at one place of a network, on rows of which `rows_per_clip` belong to each clip."""
        assert self.seed is not None, "training with dropout needs PassContext.seed"
        return Dropout(probability, _moved(self.seed, place), self.first_clip * rows_per_clip)


class DropoutPlace(nn.Module):
    """A place in a network where dropout happens; the encoder numbers its places."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.place = 0

    def forward(self, context: PassContext, *, rows_per_clip: int) -> Dropout | None:
        """What to drop in this pass, or None."""
        if not self.training or self.probability == 0:
            return None
        return context.dropout(self.probability, place=self.place, rows_per_clip=rows_per_clip)


def number_places(network: nn.Module) -> None:
    """Give each place of a network its number."""
    places = [module for module in network.modules() if isinstance(module, DropoutPlace)]
    for number, place in enumerate(places):
        place.place = number


def _moved(seed: Tensor, steps: int) -> Tensor:
    """Arithmetic modulo 2**64."""
    offset = steps * _PLACE_STRIDE % (1 << 64)
    return seed + (offset - (1 << 64) if offset >= 1 << 63 else offset)
