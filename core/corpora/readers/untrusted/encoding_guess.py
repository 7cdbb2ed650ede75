"""Guess the encoding of file names: the only one of a few in which all of them look like words."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MAX_EXAMINED = 2**16
_COMMON_SHARE = 0.9
_MAX_ACCENTED_RUN = 2
_NOT_ASCII_RUN = re.compile(r"[^\x00-\x7f]+")


def plausible_encodings(names: Sequence[bytes]) -> list[str]:
    """Return the encodings that the names may have; of several with the same result only the first."""
    raw = b"\n".join(names)
    found: dict[str, str] = {}
    for candidate in _CANDIDATES:
        text = _text(raw, candidate.encoding)
        if text is not None and candidate.is_plausible(text[:_MAX_EXAMINED]):
            found.setdefault(text, candidate.encoding)
    return list(found.values())


def _text(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True)
class _Candidate:
    """An encoding, and whether a text that was decoded by it looks like words."""

    encoding: str
    is_plausible: Callable[[str], bool]


def _mostly_common(encoding: str, *common: tuple[int, int]) -> Callable[[str], bool]:
    """Whether most characters are among the common ones, whose codes are in these ranges."""

    def is_plausible(text: str) -> bool:
        characters = [character for character in text if not character.isascii()]
        codes = (int.from_bytes(character.encode(encoding), "big") for character in characters)
        num_common = sum(any(first <= code <= last for first, last in common) for code in codes)
        return num_common >= _COMMON_SHARE * len(characters)

    return is_plausible


def _words_of(script: str, *, max_run: int | None = None) -> Callable[[str], bool]:
    """Whether all characters that are not ASCII are letters of a script, used as words use them."""

    def is_plausible(text: str) -> bool:
        runs = _NOT_ASCII_RUN.findall(text)
        return (
            all(unicodedata.name(letter, "").startswith(script) for run in runs for letter in run)
            and (max_run is None or all(len(run) <= max_run for run in runs))
            and not any(_do_not_follow(*pair, mixed=max_run is not None) for pair in pairwise(text))
        )

    return is_plausible


def _do_not_follow(first: str, second: str, *, mixed: bool) -> bool:
    """Whether a capital follows a small letter, or letters of two scripts each other; ASCII pairs may."""
    if not (first.isalpha() and second.isalpha()) or (first + second).isascii():
        return False
    return (first.islower() and second.isupper()) or (not mixed and first.isascii() != second.isascii())


_CANDIDATES = (
    _Candidate("utf-8", lambda _: True),
    _Candidate("gbk", _mostly_common("gbk", (0xB0A1, 0xD7F9))),
    _Candidate("big5", _mostly_common("big5", (0xA440, 0xC67E))),
    _Candidate(
        "shift_jis", _mostly_common("shift_jis", (0x829F, 0x82F1), (0x8340, 0x8396), (0x889F, 0x9872))
    ),
    _Candidate("cp949", _mostly_common("cp949", (0xB0A1, 0xC8FE))),
    *(
        _Candidate(encoding, _words_of("LATIN", max_run=_MAX_ACCENTED_RUN))
        for encoding in ("cp437", "cp850", "cp852", "cp857", "cp1252", "cp1254")
    ),
    _Candidate("cp866", _words_of("CYRILLIC")),
    _Candidate("cp862", _words_of("HEBREW")),
)
"""Encodings of Windows in China, Taiwan, Japan and Korea; in archives of America, Western Europe, Central
Europe and Turkey; in text of Western Europe and Turkey; in archives of Russia and Israel."""
