"""Weights of corpora: how many clips an epoch draws, as the service estimates it and as training draws it."""

from collections.abc import Iterable

UNITS = 1_000_000
"""Parts of a draw that weights are counted in, so that sums are exact whatever their order."""
MOST_CLIPS = 100_000_000
"""Maximum clips of an epoch: their order is kept in memory."""


def in_units(weight: float) -> int:
    """Return a weight in units."""
    return round(weight * UNITS)


def epoch_length(corpora: Iterable[tuple[int, float]]) -> int:
    """Return the number of clips drawn in an epoch, from each corpus' number of clips and weight."""
    return sum(num_clips * in_units(weight) for num_clips, weight in corpora) // UNITS
