"""One form for the names of glosses, signers, sessions, splits and clips, however their source writes them.

The same word can be written in several ways that look alike: an accented letter as one character or two,
marks of direction and byte order that are not seen, spaces around it. All names get one form when they are
read, and when they are compared.
"""

import re
import unicodedata

_JOINERS = "\u200c\u200d"
"""They are not seen either, but change how letters join, in Persian or Hindi words for example."""
_AROUND = re.compile(rf"^[\s{_JOINERS}]+|[\s{_JOINERS}]+$")


def plain_name(text: str) -> str:
    """Return the name in NFC, without format characters, and without spaces around it.

    Joiners between two letters stay.
    """
    if text.isascii():
        return text.strip()
    kept = "".join(mark for mark in text if unicodedata.category(mark) != "Cf" or mark in _JOINERS)
    return unicodedata.normalize("NFC", _AROUND.sub("", kept))


def alike(name: str) -> str:
    """Return what two names have in common that differ in case or form alone.

    Case, compatibility forms (full-width letters), joiners and repeated spaces are ignored.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join("".join(mark for mark in folded if mark not in _JOINERS).split())
