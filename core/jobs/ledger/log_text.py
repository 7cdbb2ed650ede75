"""UTF-8 handling of log text: sanitised without changing its length, cut at whole characters."""

import codecs

LONGEST_CHARACTER = 4
"""Maximum number of bytes of a UTF-8 character."""


def clean(raw: bytes) -> bytes:
    """Valid UTF-8 of the same length. Invalid bytes and NUL, which databases reject, become `?`."""
    return raw.decode(errors=_SAME_LENGTH).replace("\0", "?").encode()


def complete(raw: bytes) -> bytes:
    """`raw` without an incomplete character at its end."""
    for length in range(1, min(LONGEST_CHARACTER, len(raw)) + 1):
        first = raw[-length]
        if first & 0xC0 != 0x80:  # not a continuation byte, so the last character begins here
            return raw if length >= _length_of_character(first) else raw[:-length]
    return raw


def begun(text: bytes) -> int:
    """Number of continuation bytes at the start of a part of UTF-8."""
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
