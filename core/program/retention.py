"""Which checkpoints of a run are kept: one rule, for a program on its own and for the service; torch-free."""

from collections.abc import Sequence
from typing import NamedTuple

from core.specs.run import RunConfig


class Candidate(NamedTuple):
    """A checkpoint that may have to go."""

    step: int
    value: float | None = None
    """Of the number that `keep_best` names, at this step or the last one before it that has it."""
    pinned: bool = False


def superfluous(candidates: Sequence[Candidate], run: RunConfig) -> list[int]:
    """Indices of the checkpoints that nobody asked to keep, of those given in the order of their making.

    Kept are the newest `keep_checkpoints`, those of every `keep_every_steps`th step, the best one by
    `keep_best`, and whatever is pinned; of one step made twice, the newer.
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
    """Whether one value of a number beats another: losses are better when lower, all else when higher."""
    lower = "loss" in name or name.startswith(("instance/", "consistency/", "transfer"))
    return value < than if lower else value > than


def _best(candidates: Sequence[Candidate], name: str | None) -> int | None:
    """The newest of equals, since the newest is the one that goes on."""
    best: int | None = None
    for index, candidate in enumerate(candidates):
        if name is None or candidate.value is None:
            continue
        holder = None if best is None else candidates[best].value
        if holder is None or not is_better(name, holder, candidate.value):
            best = index
    return best
