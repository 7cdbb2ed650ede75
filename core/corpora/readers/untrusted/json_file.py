"""Read untrusted JSON files, with limits on size and depth and a check of number types."""

import reprlib
from pathlib import Path
from typing import TypeGuard

import numpy as np

from core.corpora.readers.untrusted.clip_size import holds_only_numbers
from core.corpora.readers.untrusted.json_pieces import parse_json
from core.corpora.readers.untrusted.npz import as_corpus_error
from core.errors import CorpusError
from core.source_files import open_source

MAX_JSON_BYTES = 64 * 2**20
"""Maximum size of a JSON file."""
MAX_VALUE_BYTES = 512 * 2**20
"""Maximum memory that the values of a JSON file may take: 7,000,000 numbers, or 5,000,000 empty lists."""

_OPENINGS = (b"{", b"[")
_HEAD_BYTES = 64
_BYTES_BY_MARK = {b"[": 64, b"{": 64, b",": 48, b":": 104}
"""Memory of a list, an object, one more item, and a field; their marks inside of text are counted, too."""

_PREVIEW = reprlib.Repr()
_PREVIEW.maxlist = _PREVIEW.maxdict = 3
_PREVIEW.maxlevel = 3
_PREVIEW.maxstring = _PREVIEW.maxother = 60


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
        return parse_json(read_json_text(path))


def read_json_text(path: Path, *, advice: str = "Write a file per clip, or .npz.") -> bytes:
    """Read a JSON file without parsing it, if its values will take bounded memory; `advice` ends a refusal.

    Raises:
        CorpusError: it cannot be read, or is too large.
    """
    with as_corpus_error(path), open_source(path) as stream:
        text = stream.read(MAX_JSON_BYTES + 1).removeprefix(b"\xef\xbb\xbf")
    if len(text) > MAX_JSON_BYTES:
        raise CorpusError(
            f"{path} has {path.stat().st_size} bytes; the limit for a JSON file is {MAX_JSON_BYTES} bytes. "
            f"{advice}"
        )
    needed = len(text) + sum(num_bytes * text.count(mark) for mark, num_bytes in _BYTES_BY_MARK.items())
    if needed > MAX_VALUE_BYTES:
        raise CorpusError(
            f"{path} has so many values that they may take {needed} bytes of memory; the limit is "
            f"{MAX_VALUE_BYTES} bytes. {advice}"
        )
    return text


def numbers(values: object, *, path: Path, name: str) -> np.ndarray:
    """Convert nested lists of numbers to an array.

    Raises:
        CorpusError: the lists are ragged, or hold anything but numbers.
    """
    with as_corpus_error(path, name):
        array = np.array(values) if holds_only_numbers(values) else np.array("")
    if array.dtype.kind not in "fiu":
        raise CorpusError(f"{path}: {name!r} must hold only numbers; got {preview(values)}.")
    return array.astype("f8")


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a value is a JSON object (its keys are always text)."""
    return isinstance(value, dict)


def first_of(items: object) -> object:
    """Return the first item of a list that is neither null nor empty; None if there is none, or no list."""
    return next((item for item in items if item), None) if isinstance(items, list) else None


def preview(value: object) -> str:
    """Return the start of a value's representation, for a message."""
    text = _PREVIEW.repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
