"""Data order: the clips of each batch, from a new permutation each epoch, a function of (seed, step)."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int64

from core.errors import SpecError
from core.training.randomness import generator_for


@dataclass(frozen=True)
class DataOrder:
    """Batches over `clips` (indices into a corpus); the last, incomplete batch of an epoch is dropped.

    The permutation of the last requested epoch is cached, so that a step's cost does not depend on the number
    of clips. Steps may be requested in any order.
    """

    clips: Int64[np.ndarray, " N"]
    batch_size: int
    seed: int
    _newest: dict[int, Int64[np.ndarray, " N"]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if len(self.clips) < self.batch_size:
            raise SpecError(
                f"run.batch_size is {self.batch_size}, but only {len(self.clips)} clips are selected; "
                "lower run.batch_size or select more clips.",
                pointer="/overrides/run/batch_size",
            )

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in one epoch."""
        return len(self.clips) // self.batch_size

    def batch(self, step: int) -> Int64[np.ndarray, " B"]:
        """Return the clips of step `step`, counted from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        first = position * self.batch_size
        return self.clips[self._permutation(epoch)[first : first + self.batch_size]]

    def _permutation(self, epoch: int) -> Int64[np.ndarray, " N"]:
        permutation = self._newest.get(epoch)
        if permutation is None:
            generator = generator_for(self.seed, "order", epoch)
            permutation = torch.randperm(len(self.clips), generator=generator).numpy()
            self._newest.clear()
            self._newest[epoch] = permutation
        return permutation
