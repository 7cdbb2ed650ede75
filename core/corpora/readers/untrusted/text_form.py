"""Find out how a table was written: its encoding and what separates its columns.

Spreadsheets save tables in UTF-8, in UTF-16, or in the encoding of the computer, with commas, semicolons or
tabs.
"""

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path

from core.corpora.readers.untrusted.npz import as_corpus_error
from core.errors import CorpusError
from core.file_kinds import seems_to_be
from core.source_files import open_source

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CHUNK_BYTES = 2**20
_HEADER_CHARACTERS = 2**16
_HEADER_BYTES = 2**18
"""Enough for the longest row of UTF-16."""
_MAX_IN_PAIRS = 0.5
_WESTERN = "cp1252"
_AFTER_SMALL_LETTER = re.compile(r"[a-z]([^\x00-\x7f])")
_MARKS = "\u2019\u201c\u201d\u00bb\u2013\u2014\u2026\u00b0"
"""What may follow a small letter in Western text, beside small letters: quotes, dashes, dots, degrees."""
_NUM_CHARACTERS = 40


@dataclass(frozen=True)
class TextForm:
    """Encoding, separator, and a note if the encoding is a guess."""

    encoding: str
    separator: str
    note: str = ""


def text_form(path: Path) -> TextForm:
    """Return the form of a table, from its content.

    Raises:
        CorpusError: its encoding is neither UTF-8 nor UTF-16 nor Western European (cp1252).
    """
    with as_corpus_error(path), open_source(path) as stream:
        start = stream.read(_CHUNK_BYTES)
    encoding = _by_first_bytes(start) or ("utf-8" if _is_utf8(path) else None)
    note = ""
    if encoding is None:
        encoding, note = _WESTERN, _checked_as_western(path, start)
    header = start.decode(encoding, errors="ignore")[:_HEADER_CHARACTERS].lstrip("\r\n").splitlines()
    return TextForm(encoding, _separator(header[0] if header else ""), note)


def header_cells(path: Path) -> list[str]:
    """Return the first row of a table in any of the forms, without spaces around the cells.

    Only its beginning is read, to find out what a table holds. Empty if it is no row.
    """
    with as_corpus_error(path), open_source(path) as stream:
        start = stream.read(_HEADER_BYTES)
    text = start.decode(_by_first_bytes(start) or "utf-8", errors="replace").removeprefix("\ufeff")
    header = next(iter(text.lstrip("\r\n").splitlines()), "")
    try:
        return [cell.strip() for cell in next(csv.reader([header], delimiter=_separator(header)), [])]
    except csv.Error:
        return []


def _by_first_bytes(start: bytes) -> str | None:
    found = next((encoding for mark, encoding in _BOMS if start.startswith(mark)), None)
    if found is None and len(start) >= 4 and b"\0" in start[:4]:
        return "utf-16-le" if start[1:4:2] == b"\0\0" else "utf-16-be" if start[:4:2] == b"\0\0" else None
    return found


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with as_corpus_error(path), open_source(path) as stream:
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _checked_as_western(path: Path, start: bytes) -> str:
    """Return a note that the table is read as cp1252.

    Its letters beyond ASCII mostly stand alone between others; in encodings of other scripts they do not.
    """
    beyond = len(re.findall(rb"[\x80-\xff]", start))
    in_pairs = sum(len(run) for run in re.findall(rb"[\x80-\xff]{2,}", start))
    try:
        text = start.decode(_WESTERN)
    except UnicodeDecodeError:
        in_pairs, text = beyond, ""
    if in_pairs > _MAX_IN_PAIRS * beyond or b"\0" in start or not _has_words(text):
        raise CorpusError(
            f"{path} is not UTF-8 text: it seems to be {seems_to_be(path)}, or text in another encoding. "
            "Save it as CSV in UTF-8."
        )
    word = next(iter(re.findall(r"\w*[^\x00-\x7f]\w*", text)), "")
    return (
        f"{path.name} is not UTF-8, so it was read as Western European text (cp1252), for example "
        f"{word[:_NUM_CHARACTERS]!r}. If that is wrong, save it as UTF-8."
    )


def _has_words(text: str) -> bool:
    """Whether small letters are mostly followed by small ones: cafŽ was café in an encoding of old Macs."""
    following = _AFTER_SMALL_LETTER.findall(text)
    return 2 * sum(letter.islower() or letter in _MARKS for letter in following) >= len(following)


def _separator(header: str) -> str:
    """Return the separator that occurs most often outside of quotes; a comma if none does."""
    outside = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=outside.count)
