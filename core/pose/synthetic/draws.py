"""Seeded random generators: a separate one for each kind of draw."""

from enum import IntEnum

import numpy as np


class Draw(IntEnum):
    """Kinds of random draws; each has its own generators."""

    LEXICON = 1
    SIGNER = 2
    TAKE = 3
    ACCENT = 4
    NOISE = 5


def generator_for(draw: Draw, *numbers: int, seed: int) -> np.random.Generator:
    """Return the generator of `draw` for the item with index `numbers`; deterministic in all arguments."""
    return np.random.default_rng((seed, int(draw), *(int(number) for number in numbers)))
