"""Text of a log whose places are counted in bytes: what is stored has as many bytes as what was written."""

import codecs

LONGEST_CHARACTER = 4
"""Bytes of the longest character in UTF-8."""


def clean(raw: bytes) -> bytes:
    """UTF-8 of the same length: what is not UTF-8, and NUL, which no database keeps, becomes `?`."""
    return raw.decode(errors=_SAME_LENGTH).replace("\0", "?").encode()


def complete(raw: bytes) -> bytes:
    """`raw` without the beginning of a character at its end."""
    for length in range(1, min(LONGEST_CHARACTER, len(raw)) + 1):
        first = raw[-length]
        if first & 0xC0 != 0x80:  # not a continuation, so the last character begins here
            return raw if length >= _length_of_character(first) else raw[:-length]
    return raw


def begun(text: bytes) -> int:
    """How many bytes at the beginning of a part of UTF-8 belong to a character that began before it."""
    return next((index for index, byte in enumerate(text) if byte & 0xC0 != 0x80), len(text))


def _length_of_character(first: int) -> int:
    if first < 0xC0:
        return 1
    return 2 if first < 0xE0 else 3 if first < 0xF0 else 4


def _question_marks(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "?" * (error.end - error.start), error.end


_SAME_LENGTH = "signforge.same_length"
codecs.register_error(_SAME_LENGTH, _question_marks)
