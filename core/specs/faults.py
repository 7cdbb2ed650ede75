"""Formats a pydantic validation error as one sentence: the field, what is wrong, and the value it has."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

_VALUE = reprlib.Repr()
_VALUE.maxstring = _VALUE.maxother = 80
_WITHOUT_VALUE = ("missing", "json_invalid")
"""Error types whose value is the whole document, so that showing it would not help."""
_PREFIX = "Value error, "
"""Pydantic puts this before the message of a ValueError that a validator raised."""


def fault_sentence(found: Mapping[str, Any], *, at: str | None = None) -> str:
    """Format an item of `ValidationError.errors()`, such as `/seed: Input should be ... (got -1).`

    `at` names the field; the default is the error's JSON pointer.
    """
    place = json_pointer(found["loc"]) if at is None else at
    message = str(found["msg"]).removeprefix(_PREFIX).rstrip(".")
    sentence = f"{message}{_shown_value(found)}."
    return f"{place}: {sentence}" if place else sentence


def json_pointer(path: Sequence[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a field; empty for the whole document."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _shown_value(found: Mapping[str, Any]) -> str:
    """Return the value in parentheses; empty for objects, whose many fields would hide the message."""
    value = found.get("input")
    is_plain = isinstance(value, str | int | float | list | tuple | None)
    return f" (got {_VALUE.repr(value)})" if is_plain and found["type"] not in _WITHOUT_VALUE else ""
