"""Limits on the shape of a JSON body: so many values and levels that validating it stays quick.

Validation runs on the event loop and reports every wrong field, so a body of the allowed size could otherwise
keep all other requests waiting for seconds.
"""

import json
import re
import sys
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from fastapi import Request
from starlette.datastructures import Headers

from api.problems import Problem, unfit
from api.service import Service, service_of
from core.errors import SpecError
from core.specs.nesting import parse_json

MAX_FIELDS, MAX_VALUES = 1000, 20_000
_MARKS = (b",", b":", b"[", b"{", b'"')
_SMALL_BYTES = 2**14
"""Larger bodies are looked at in a thread, one at a time, so that the event loop has its turn between."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""A character beyond U+FFFF, escaped as two surrogates, or one surrogate alone, which no database stores."""
_MAX_DIGITS = sys.get_int_max_str_digits()
LookT = TypeVar("LookT")


def has_form(headers: Headers) -> bool:
    """Whether the body of a request is a form with files, by its Content-Type."""
    return headers.get("content-type", "").lower().startswith("multipart/form-data")


class BoundedRequest(Request):
    """A request whose JSON body, if it has one, is parsed within limits. FastAPI asks it for that."""

    async def json(self) -> object:
        """The document, or what `parse_bounded` raises."""
        return await look_at(await service_of(self), await self.body(), parse_bounded)


async def look_at(service: Service, body: bytes, look: Callable[[bytes], LookT]) -> LookT:
    """Return `look(body)`: of a large body in the one thread for these, without blocking the event loop."""
    if len(body) < _SMALL_BYTES:
        return look(body)
    return await to_thread.run_sync(look, body, limiter=service.large_bodies)


def parse_bounded(text: bytes) -> object:
    """Parse a JSON document.

    Raises:
        Problem: it has too many fields or values (413); it is nested too deep, is not UTF-8, has a number of
            too many digits or a lone surrogate (422).
        json.JSONDecodeError: it is not JSON.
    """
    marks = sum(text.count(mark) for mark in _MARKS)
    if marks > 6 * MAX_VALUES:  # a cheap bound, so that the work of the parser has one
        raise _too_large('marks of JSON (, : [ { ")', 6 * MAX_VALUES)
    try:
        document: object = parse_json(text)
    except SpecError as error:
        raise unfit("", str(error), code="nested_too_deep") from None
    except UnicodeDecodeError as error:
        raise unfit("", f"The body is not UTF-8: byte {error.start} is wrong.", code="json_invalid") from None
    except json.JSONDecodeError:
        raise
    except ValueError:
        detail = f"The body has a whole number of more than {_MAX_DIGITS:,} digits. Send a smaller number."
        raise unfit("", detail, code="json_invalid") from None
    _count(document)
    if _SURROGATE.search(text):
        _refuse_lone_surrogates(document)
    return document


def _refuse_lone_surrogates(document: object) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        detail = f"The body has {half} without the other half of its character. Send the character itself."
        raise unfit("", detail, code="json_invalid") from None


def _count(document: object) -> None:
    fields, values, level = 0, 0, [document]
    while level:
        values += len(level)
        objects = [each for each in level if isinstance(each, dict)]
        fields += sum(map(len, objects))
        for found, limit, what in ((fields, MAX_FIELDS, "fields"), (values, MAX_VALUES, "values")):
            if found > limit:
                raise _too_large(what, limit)
        lists = [each for each in level if isinstance(each, list)]
        level = [inner for each in objects for inner in each.values()]
        level += [inner for each in lists for inner in each]


def _too_large(what: str, limit: int) -> Problem:
    return Problem(413, "too-large", f"The body has more than {limit:,} {what}. Send less.", limit=limit)
