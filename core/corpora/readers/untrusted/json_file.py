"""Read untrusted JSON files, with limits on size and depth and a check of number types."""

import json
from pathlib import Path
from typing import TypeGuard

import numpy as np

from core.corpora.readers.untrusted.npz import as_corpus_error
from core.errors import CorpusError
from core.source_files import open_source, read_source

MAX_JSON_BYTES = 64 * 2**20
"""Maximum size of a JSON file; as Python objects it takes about twenty times as much memory."""

MAX_FRAMES = 50_000
"""Maximum frames of a clip. A frame of 4 bytes in a file (`null`) takes 3000 bytes of memory."""
MAX_PEOPLE = 1000
"""Maximum people in a frame."""

_OPENINGS = (b"{", b"[")
_HEAD_BYTES = 64


def is_json(path: Path) -> bool:
    """Whether a file starts like a JSON object or list."""
    with as_corpus_error(path), open_source(path) as stream:
        return stream.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_OPENINGS)


def read_json(path: Path) -> object:
    """Read a JSON file.

    Raises:
        CorpusError: it cannot be read, is too large, nested too deep, or not JSON.
    """
    with as_corpus_error(path):
        num_bytes = path.stat().st_size
        if num_bytes > MAX_JSON_BYTES:
            raise CorpusError(
                f"{path} has {num_bytes} bytes; the limit for a JSON file is {MAX_JSON_BYTES} bytes. Write a "
                "file per clip, or .npz."
            )
        return json.loads(read_source(path).removeprefix(b"\xef\xbb\xbf"))


def numbers(values: object, *, path: Path, name: str) -> np.ndarray:
    """Convert nested lists of numbers to an array.

    Raises:
        CorpusError: the lists are ragged, or hold anything but numbers.
    """
    with as_corpus_error(path, name):
        array = np.array(values)
    if array.dtype.kind not in "fiu":
        raise CorpusError(f"{path}: {name!r} must hold only numbers; got {preview(values)}.")
    return array.astype("f8")


def check_frames(num_frames: int, path: Path) -> None:
    """Reject a clip with more than `MAX_FRAMES` frames.

    Raises:
        CorpusError: names the file and the limit.
    """
    if num_frames > MAX_FRAMES:
        raise CorpusError(
            f"{path} has {num_frames} frames; the limit is {MAX_FRAMES}. Cut the video into signs."
        )


def check_people(num_people: int, path: Path) -> None:
    """Reject a frame with more than `MAX_PEOPLE` people.

    Raises:
        CorpusError: names the file and the limit.
    """
    if num_people > MAX_PEOPLE:
        raise CorpusError(f"{path} has {num_people} people in a frame; the limit is {MAX_PEOPLE}.")


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a value is a JSON object (its keys are always text)."""
    return isinstance(value, dict)


def first_of(items: object) -> object:
    """Return the first item of a list that is neither null nor empty; None if there is none, or no list."""
    return next((item for item in items if item), None) if isinstance(items, list) else None


def preview(value: object) -> str:
    """Return the start of a value's representation, for a message."""
    text = repr(value[:3] if isinstance(value, list) else value)
    return text if len(text) <= 60 else f"{text[:60]}..."
