"""Data order: the clips of each batch, from a new permutation each epoch, a function of (seed, step)."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int64

from core.errors import SpecError
from core.specs.weights import MOST_CLIPS, UNITS
from core.training.randomness import generator_for


@dataclass(frozen=True)
class DataOrder:
    """Batches over `clips` (indices into a corpus); the last, incomplete batch of an epoch is dropped.

    A clip of weight 2 is drawn twice in an epoch, one of weight 0.5 in about every second. An epoch's clips
    are cached, so that a step's cost does not depend on their number. Steps may be requested in any order.
    """

    clips: Int64[np.ndarray, " N"]
    batch_size: int
    seed: int
    weights: Int64[np.ndarray, " N"] | None = None
    """How often each clip is drawn in an epoch, in units; None for once."""
    _newest: dict[int, Int64[np.ndarray, " N"]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.epoch_length < self.batch_size:
            weighted = "" if self.weights is None else " by the weights"
            raise SpecError(
                f"run.batch_size is {self.batch_size}, but only {self.epoch_length} clips are "
                f"selected{weighted}; lower run.batch_size or select more clips.",
                pointer="/overrides/run/batch_size",
            )

        if self.epoch_length > MOST_CLIPS:
            raise SpecError(
                f"The weights draw {self.epoch_length} clips in an epoch; the limit is {MOST_CLIPS}. Lower "
                "them.",
                pointer="/also",
            )

    @property
    def epoch_length(self) -> int:
        """Number of clips drawn in one epoch."""
        return len(self.clips) if self.weights is None else int(self.weights.sum()) // UNITS

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in one epoch."""
        return self.epoch_length // self.batch_size

    def batch(self, step: int) -> Int64[np.ndarray, " B"]:
        """Return the clips of step `step`, counted from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        first = position * self.batch_size
        return self.clips[self._permutation(epoch)[first : first + self.batch_size]]

    def _permutation(self, epoch: int) -> Int64[np.ndarray, " n"]:
        permutation = self._newest.get(epoch)
        if permutation is None:
            drawn = self._drawn(epoch)
            generator = generator_for(self.seed, "order", epoch)
            permutation = drawn[torch.randperm(len(drawn), generator=generator).numpy()]
            self._newest.clear()
            self._newest[epoch] = permutation
        return permutation

    def _drawn(self, epoch: int) -> Int64[np.ndarray, " n"]:
        """Return the clips of an epoch, as often as their weights say.

        Systematic sampling: the weights are summed up in a random order, and a clip is drawn each time the
        sum passes a whole number.
        """
        if self.weights is None:
            return np.arange(len(self.clips))
        generator = generator_for(self.seed, "weighted clips", epoch)
        shuffled = torch.randperm(len(self.clips), generator=generator).numpy()
        passed = np.cumsum(self.weights[shuffled]) // UNITS
        return np.repeat(shuffled, np.diff(passed, prepend=0))
