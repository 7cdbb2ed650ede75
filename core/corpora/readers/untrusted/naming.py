"""Name what a file holds in a message, however many and long its names are."""

from collections.abc import Iterable
from itertools import islice

MAX_NAMED = 20
MAX_CHARACTERS = 60


def listed(names: Iterable[str]) -> str:
    """Return the names, separated by commas; of many only the first ones, of long ones the beginning."""
    waiting = iter(names)
    named = ", ".join(map(shortened, islice(waiting, MAX_NAMED)))
    more = sum(1 for _ in waiting)
    return f"{named} and {more} more" if more else named or "none"


def shortened(name: str) -> str:
    """Return the beginning of a long name."""
    return name if len(name) <= MAX_CHARACTERS else f"{name[:MAX_CHARACTERS]}..."


def escaped(name: str) -> str:
    """Return a name that can be stored: codes stand for bytes of file names that are not UTF-8.

    Two names stay two.
    """
    return name.encode(errors="backslashreplace").decode()
