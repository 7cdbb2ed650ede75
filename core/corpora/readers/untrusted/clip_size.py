"""Limits on the size of a clip, for the readers of all formats."""

import math
from pathlib import Path

import numpy as np

from core.errors import CorpusError

MAX_FRAMES = 50_000
"""Maximum frames of a clip: half an hour at 25 frames a second."""
MAX_PEOPLE = 1000
"""Maximum people in a frame."""
MAX_CLIPS = 1_000_000
"""Maximum clips of a file."""
MAX_NUMBERS = 2**26
"""Maximum numbers of an array that is read in one piece: 512 MiB as float64."""


def check_frames(num_frames: int, path: Path, *, most: int = MAX_FRAMES) -> None:
    """Reject a clip with more than `most` frames.

    Raises:
        CorpusError: names the file and the limit.
    """
    if num_frames > most:
        raise CorpusError(f"{path} has {num_frames} frames; the limit is {most}. Cut the video into signs.")


def check_people(num_people: int, path: Path) -> None:
    """Reject a frame with more than `MAX_PEOPLE` people.

    Raises:
        CorpusError: names the file and the limit.
    """
    if num_people > MAX_PEOPLE:
        raise CorpusError(f"{path} has {num_people} people in a frame; the limit is {MAX_PEOPLE}.")


def check_clips(num_clips: int, path: Path) -> None:
    """Reject a file with more than `MAX_CLIPS` clips.

    Raises:
        CorpusError: names the file and the limit.
    """
    if num_clips > MAX_CLIPS:
        raise CorpusError(f"{path} has {num_clips} clips; the limit is {MAX_CLIPS}. Split it up.")


def check_shape(shape: tuple[int, ...]) -> None:
    """Reject a shape of more than `MAX_NUMBERS` numbers, or of as many empty rows.

    Raises:
        ValueError: states the shape and the limit.
    """
    if math.prod(side for side in shape if side) > MAX_NUMBERS:
        raise ValueError(f"an array has the shape {shape}; the limit is {MAX_NUMBERS} numbers")


def holds_only_numbers(values: object) -> bool:
    """Whether nested lists hold only numbers or arrays of numbers.

    NumPy would give each number the space of the longest text among them.

    Raises:
        ValueError: more than `MAX_NUMBERS` numbers, arrays counted at each place.
    """
    waiting, num_values = [iter((values,))], 0
    while waiting:
        value = next(waiting[-1], _END)
        if value is _END:
            waiting.pop()
        elif isinstance(value, list | tuple):
            waiting.append(iter(value))
        elif not _is_number(value):
            return False
        else:
            num_values += value.size if isinstance(value, np.ndarray) else 1
            check_shape((num_values,))
    return True


_END = object()


def _is_number(value: object) -> bool:
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "fiub"
    return isinstance(value, int | float)
