"""Which clips a step trains on: a fresh permutation each epoch, known from (seed, step) alone."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int64

from core.errors import SpecError
from core.training.randomness import generator_for


@dataclass(frozen=True)
class DataOrder:
    """Batches over `clips` (indices into a corpus); an epoch's last, incomplete batch is left out.

    The newest epoch's permutation is kept, so that a step costs what its batch costs, however many clips
    there are. It changes nothing but speed: any step may be asked for at any time.
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
        """Whole batches in one pass."""
        return len(self.clips) // self.batch_size

    def batch(self, step: int) -> Int64[np.ndarray, " B"]:
        """The clips of step `step`, counted from 0."""
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
