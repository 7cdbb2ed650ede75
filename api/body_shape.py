"""Limits on the shape of a JSON body: so many values and levels that validating it stays quick.

Validation runs on the event loop and reports every wrong field, so a body of the allowed size could otherwise
keep all other requests waiting for seconds.
"""

import json

from fastapi import Request

from api.problems import Problem

MAX_FIELDS, MAX_VALUES, MAX_LEVELS = 1000, 20_000, 32
_MARKS = (b",", b":", b"[", b"{")


async def refuse_intricate_body(request: Request) -> None:
    """Refuse a JSON body that would take long to validate. Bodies of other kinds are not looked at.

    Raises:
        Problem: it has too many fields, values or levels (413).
    """
    if "json" in request.headers.get("content-type", ""):
        refuse_intricate(await request.body())


def refuse_intricate(text: bytes) -> None:
    """Refuse a JSON document of too many fields, values or levels (413). One that is not JSON passes."""
    marks = sum(text.count(mark) for mark in _MARKS)
    if marks > 4 * MAX_VALUES:  # a cheap bound, so that the parser's work has one
        raise _too_large("marks of JSON (, : [ {)", 4 * MAX_VALUES)
    try:
        _walk(json.loads(text))
    except RecursionError:
        raise _too_large("levels", MAX_LEVELS) from None
    except ValueError:
        return  # for the route's own message


def _walk(document: object) -> None:
    fields = values = levels = 0
    level = [document]
    while level:
        levels, values = levels + 1, values + len(level)
        objects = [each for each in level if isinstance(each, dict)]
        fields += sum(map(len, objects))
        for found, limit, what in (
            (fields, MAX_FIELDS, "fields"),
            (values, MAX_VALUES, "values"),
            (levels, MAX_LEVELS, "levels"),
        ):
            if found > limit:
                raise _too_large(what, limit)
        lists = [each for each in level if isinstance(each, list)]
        level = [inner for each in objects for inner in each.values()]
        level += [inner for each in lists for inner in each]


def _too_large(what: str, limit: int) -> Problem:
    return Problem(413, "too-large", f"The body has more than {limit:,} {what}. Send less.", limit=limit)
