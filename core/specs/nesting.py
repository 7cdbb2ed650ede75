"""Bounds how deep JSON may be nested: what is deeper makes parsers and encoders fail half way."""

import json
import re
from typing import Any

from core.errors import SpecError

MAX_NESTING = 32
"""Maximum depth of lists and objects. The deepest specification that is of use has about six levels."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A text, or the beginning or the end of a list or an object."""
_ADVICE = f"the limit is {MAX_NESTING} lists or objects in each other. Flatten it."


def parse_json(text: bytes | str) -> Any:
    """Parse a JSON document that is not nested too deep. Bytes must be UTF-8: brackets are counted in it.

    Raises:
        SpecError: it is nested deeper than `MAX_NESTING`.
        UnicodeDecodeError: the bytes are not UTF-8.
        json.JSONDecodeError: it is not JSON.
        ValueError: it has an integer of more digits than Python converts.
    """
    decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
    check_nesting(text)
    return json.loads(decoded)


def check_nesting(text: bytes | str) -> None:
    """Check the nesting of a JSON document before it is parsed; it need not be valid.

    Raises:
        SpecError: it is nested deeper than `MAX_NESTING`.
    """
    depth = 0
    for token in _TOKEN.finditer(text.encode(errors="replace") if isinstance(text, str) else text):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_NESTING:
                raise SpecError(f"The JSON document is nested too deep at byte {token.start()}: {_ADVICE}")
        elif first in b"]}":
            depth -= 1


def bounded(value: Any) -> Any:
    """Return a value of lists and dicts that is not nested too deep, for fields that may hold anything.

    Raises:
        ValueError: it is nested deeper than `MAX_NESTING`.
    """
    level = [value]
    for _ in range(MAX_NESTING):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return value
    raise ValueError(f"it is nested too deep; {_ADVICE.rstrip('.')}")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    return [*value] if isinstance(value, list | tuple) else []
