"""Reading JSON that strangers made: sizes and depth are bounded, and numbers must be numbers."""

import json
from pathlib import Path
from typing import TypeGuard

import numpy as np

from core.corpora.readers.untrusted.npz import damage_named
from core.errors import CorpusError

MAX_JSON_BYTES = 64 * 2**20
"""Largest JSON file read; as Python's objects it takes some twenty times as much memory."""

MAX_FRAMES = 50_000
"""Most frames of a clip: `null` in a file is four bytes, and a frame's keypoints are three thousand."""
MAX_PEOPLE = 1000
"""Most people of a frame."""

_OPENINGS = (b"{", b"[")
_HEAD_BYTES = 64


def is_json(path: Path) -> bool:
    """Whether a file begins as a JSON object or list does."""
    with damage_named(path), path.open("rb") as stream:
        return stream.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_OPENINGS)


def read_json(path: Path) -> object:
    """What a JSON file says.

    Raises:
        CorpusError: it cannot be read, is too large, nested too deep, or no JSON.
    """
    with damage_named(path):
        num_bytes = path.stat().st_size
        if num_bytes > MAX_JSON_BYTES:
            raise CorpusError(
                f"{path} has {num_bytes} bytes, more than the {MAX_JSON_BYTES} read of a JSON file; "
                "write a file per clip, or .npz."
            )
        return json.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))


def numbers(values: object, *, path: Path, name: str) -> np.ndarray:
    """Nested lists of numbers as an array.

    Raises:
        CorpusError: they are ragged, or hold anything else.
    """
    with damage_named(path, name):
        array = np.array(values)
    if array.dtype.kind not in "fiu":
        raise CorpusError(f"{path}: {name!r} must hold numbers and nothing else; got {shown(values)}.")
    return array.astype("f8")


def check_frames(num_frames: int, path: Path) -> None:
    """Refuse a clip of more frames than are read.

    Raises:
        CorpusError: names the file and the limit.
    """
    if num_frames > MAX_FRAMES:
        raise CorpusError(
            f"{path} has {num_frames} frames; at most {MAX_FRAMES} are read. Cut the video into signs."
        )


def check_people(num_people: int, path: Path) -> None:
    """Refuse a frame of more people than are read.

    Raises:
        CorpusError: names the file and the limit.
    """
    if num_people > MAX_PEOPLE:
        raise CorpusError(f"{path} has {num_people} people in a frame; at most {MAX_PEOPLE} are read.")


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a value is a JSON object (its keys are text, always)."""
    return isinstance(value, dict)


def first_of(items: object) -> object:
    """The first item of a list that is neither null nor empty; None where there is none, or no list."""
    return next((item for item in items if item), None) if isinstance(items, list) else None


def shown(value: object) -> str:
    """The beginning of a value, for a message."""
    text = repr(value[:3] if isinstance(value, list) else value)
    return text if len(text) <= 60 else f"{text[:60]}..."
