"""Context of a forward pass: precision, kernels, dropout seeds and batch-statistics communication."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from core.kernels.batch_norm import AllReduce
from core.kernels.dropout import Dropout
from core.kernels.library import NativeLibrary

_PLACE_STRIDE = 0x632BE59BD9B4E019
"""Odd constant that spreads the seeds of neighbouring places over all 64 bits."""
_PLACES_PER_NETWORK = 1 << 16


class DropoutPlace(nn.Module):
    """A dropout layer of a network; the encoder numbers its dropout layers.

    `rows_per_frame`: number of rows per frame of a clip, such as one per attention head.
    """

    def __init__(self, probability: float, *, rows_per_frame: int = 1) -> None:
        super().__init__()
        self.probability = probability
        self.rows_per_frame = rows_per_frame
        self.place = 0


@dataclass(frozen=True)
class PassContext:
    """How a pass is computed: precision, kernels, dropout masks and batch statistics.

    `dtype`: of activations; None uses the weights' own. `native`: the compiled kernels, or None for plain
    PyTorch. `seed`: int64 scalar tensor that seeds dropout; required in training if any probability is above
    0. `first_clip`: position of this rank's first clip in the step's whole batch. `all_reduce`: sums a tensor
    over the `num_ranks` ranks in place, to synchronise batch statistics; None uses those of each rank.
    `num_frames`: frames of each clip in the pass; the encoder sets it.
    """

    dtype: torch.dtype | None = None
    native: NativeLibrary | None = None
    seed: Tensor | None = None
    first_clip: int = 0
    all_reduce: AllReduce | None = None
    num_ranks: int = 1
    num_frames: int | None = None

    def for_network(self, index: int) -> "PassContext":
        """Return the context of another network of the step, with its own dropout masks."""
        if self.seed is None:
            return self
        return replace(self, seed=_moved(self.seed, index * _PLACES_PER_NETWORK))

    def for_clips(self, *, num_frames: int) -> "PassContext":
        """Return the context for clips of `num_frames` frames."""
        return replace(self, num_frames=num_frames)

    def in_precision(self, x: Tensor) -> Tensor:
        """Convert `x` to the precision of activations."""
        return x if self.dtype is None else x.to(self.dtype)

    def mask(self, place: DropoutPlace | None) -> Dropout | None:
        """Return the dropout mask of a place in this pass; None in evaluation and at probability 0."""
        if place is None or not place.training or place.probability == 0:
            return None
        assert self.seed is not None, "training with dropout needs PassContext.seed"
        assert self.num_frames is not None, "training with dropout needs PassContext.num_frames"
        first_row = self.first_clip * self.num_frames * place.rows_per_frame
        return Dropout(place.probability, _moved(self.seed, place.place), first_row)


def number_places(network: nn.Module) -> None:
    """Number the dropout places of a network."""
    places = [module for module in network.modules() if isinstance(module, DropoutPlace)]
    for number, place in enumerate(places):
        place.place = number


def _moved(seed: Tensor, steps: int) -> Tensor:
    """Add `steps` times the stride to the seed, modulo 2**64."""
    offset = steps * _PLACE_STRIDE % (1 << 64)
    return seed + (offset - (1 << 64) if offset >= 1 << 63 else offset)
