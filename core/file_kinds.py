"""Says what a file seems to be from its first bytes, for messages about a file of the wrong kind."""

import json
from pathlib import Path

from core.source_files import open_source

SAFETENSORS = "a safetensors file"
A_ZIP = "a zip archive"
_START_BYTES = 512
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer instead of the file itself (run `git lfs pull`)"),
    (b"PK\x03\x04", A_ZIP),
    (b"\x1f\x8b", "a gzip file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"BZh", "a bzip2 file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"PAR1", "a Parquet file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x1a\x45\xdf\xa3", "a video (Matroska or WebM)"),
    (b"RIFF", "a video or sound file (RIFF)"),
)
_PICKLE_PROTOCOLS = frozenset(range(2, 6))
_FTYP = slice(4, 8)
_SAFETENSORS_HEADER = slice(8, 10)


def seems_to_be(path: Path) -> str:
    """Return what a file seems to be, to follow "it seems to be": `text`, `a zip archive`, `a folder`.

    An unreadable file is `unreadable (REASON)`.
    """
    if path.is_dir():
        return "a folder"
    try:
        with open_source(path) as file:
            start = file.read(_START_BYTES)
    except OSError as error:
        return f"unreadable ({error.strerror})"
    return kind_of(start)


def kind_of(start: bytes) -> str:
    """Return what content that begins with `start` seems to be."""
    if not start:
        return "empty"
    if found := next((kind for magic, kind in _STARTS if start.startswith(magic)), None):
        return found
    if start[_FTYP] == b"ftyp":
        return "a video (MP4)"
    if start[_SAFETENSORS_HEADER] == b'{"' and start[7] == 0:
        return SAFETENSORS
    if start[0] == 0x80 and len(start) > 1 and start[1] in _PICKLE_PROTOCOLS:
        return "a pickle"
    return _kind_of_text(start) or "binary data of an unknown kind"


def _kind_of_text(start: bytes) -> str | None:
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return None
        text = start[: error.start].decode()  # the last character is cut off
    text = text.removeprefix("\ufeff").lstrip()
    if any(not character.isprintable() and not character.isspace() for character in text):
        return None
    lowered = text.lower()
    if lowered.startswith(("<!doctype html", "<html")):
        return "a web page (HTML)"
    if lowered.startswith("<?xml"):
        return "an XML document"
    return "JSON" if _begins_json(text) else "text"


def _begins_json(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text) - 1 or error.msg.startswith("Unterminated")
    return True
