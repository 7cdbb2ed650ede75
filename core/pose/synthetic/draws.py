"""Where random numbers come from: each thing that is drawn has a generator of its own."""

from enum import IntEnum

import numpy as np


class Draw(IntEnum):
    """What is drawn; each has streams of its own."""

    LEXICON = 1
    SIGNER = 2
    TAKE = 3
    ACCENT = 4
    NOISE = 5


def generator_for(draw: Draw, *numbers: int, seed: int) -> np.random.Generator:
    """Return the generator of `draw` for the thing that `numbers` name; the same for the same arguments."""
    return np.random.default_rng((seed, int(draw), *(int(number) for number in numbers)))
