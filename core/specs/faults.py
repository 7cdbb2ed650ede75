"""A fault that pydantic found, as a sentence for a person: which field, what is wrong, which value it has."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

_VALUE = reprlib.Repr()
_VALUE.maxstring = _VALUE.maxother = 80
_WITHOUT_VALUE = ("missing", "json_invalid")
"""Kinds of faults whose value is the whole document."""
_PREFIX = "Value error, "
"""What pydantic writes before the message of a ValueError that a validator raised."""


def fault_sentence(found: Mapping[str, Any], *, at: str | None = None) -> str:
    """A fault (an item of `ValidationError.errors()`), such as `/seed: Input should be ... (got -1).`

    `at` says which field it is; without it that is the fault's JSON pointer.
    """
    place = json_pointer(found["loc"]) if at is None else at
    message = str(found["msg"]).removeprefix(_PREFIX).rstrip(".")
    sentence = f"{message}{_shown_value(found)}."
    return f"{place}: {sentence}" if place else sentence


def json_pointer(path: Sequence[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a field; empty for the whole document."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _shown_value(found: Mapping[str, Any]) -> str:
    """A fault of several fields together has all of them as its value, which would hide the message."""
    value = found.get("input")
    is_plain = isinstance(value, str | int | float | list | tuple | None)
    return f" (got {_VALUE.repr(value)})" if is_plain and found["type"] not in _WITHOUT_VALUE else ""
