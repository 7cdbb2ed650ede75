"""Checkpoint retention policy, shared by programs and the service. This module does not import torch."""

from collections.abc import Sequence
from typing import NamedTuple

from core.specs.run import RunConfig


class Candidate(NamedTuple):
    """A checkpoint that may be deleted."""

    step: int
    value: float | None = None
    """Value of the metric of `keep_best`, at this step or the last earlier one that has it."""
    pinned: bool = False


def superfluous(candidates: Sequence[Candidate], run: RunConfig) -> list[int]:
    """Return the indices of checkpoints to delete; candidates are in order of creation.

    Kept are the newest `keep_checkpoints`, those of every `keep_every_steps`th step, the best one by
    `keep_best`, and pinned ones. Of two checkpoints of one step, the newer is kept.
    """
    newest_of_step = {candidate.step: index for index, candidate in enumerate(candidates)}
    kept = set(range(len(candidates))[-run.keep_checkpoints :])
    kept |= {index for index, candidate in enumerate(candidates) if candidate.pinned}
    if run.keep_every_steps is not None:
        kept |= {index for step, index in newest_of_step.items() if step % run.keep_every_steps == 0}
    if (best := _best(candidates, run.keep_best)) is not None:
        kept.add(best)
    return [index for index in range(len(candidates)) if index not in kept]


def is_better(name: str, value: float, than: float) -> bool:
    """Whether one value of a metric is better: lower for losses, higher for all others."""
    lower = "loss" in name or name.startswith(("instance/", "consistency/", "transfer"))
    return value < than if lower else value > than


def _best(candidates: Sequence[Candidate], name: str | None) -> int | None:
    """Return the index of the best candidate; of equal ones the newest."""
    best: int | None = None
    for index, candidate in enumerate(candidates):
        if name is None or candidate.value is None:
            continue
        holder = None if best is None else candidates[best].value
        if holder is None or not is_better(name, holder, candidate.value):
            best = index
    return best
