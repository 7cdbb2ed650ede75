"""Hints for a name that does not exist: the names that are close to it, or those that exist."""

import difflib
from collections.abc import Iterable

_MAX_LISTED = 20
_MAX_CLOSE = 3
_MAX_CHARACTERS = 200
"""Longer words have no near names: comparing takes time by length."""


def hint(word: str, known: Iterable[str], *, list_all: bool = False, listed_by: str | None = None) -> str:
    """Return a sentence to follow "There is no ...": ` Did you mean 'x'?`, else ` There are: x, y.`

    Case does not count. It is empty if there is no known name.

    Args:
        word: the name that does not exist.
        known: the names that do.
        list_all: list them also if one is close.
        listed_by: what lists all of them, for messages that cannot.
    """
    names = list(dict.fromkeys(known))
    close = close_names(word, names)
    question = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return (_listing(names, listed_by) if list_all or not close else "") + question


def close_names(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    """Return up to three known names that are close to `word`, the closest first; case does not count.

    `cutoff` is the least likeness, from 0 to 1.
    """
    if len(word) > _MAX_CHARACTERS:
        return []
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.casefold(), name)
    return [
        folded[near]
        for near in difflib.get_close_matches(word.casefold(), folded, n=_MAX_CLOSE, cutoff=cutoff)
    ]


def _listing(names: list[str], listed_by: str | None) -> str:
    if not names:
        return ""
    if len(names) <= _MAX_LISTED:
        return f" There are: {', '.join(names)}."
    by = f"; {listed_by} lists them" if listed_by else ""
    return f" There are {len(names)}, such as {', '.join(names[:_MAX_LISTED])}{by}."
