"""Parse JSON in pieces, so that other threads run in between: the parser holds the interpreter in each call.

A heartbeat and a stop request would wait for seconds at a file of many megabytes.
"""

import json
import re

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_LEVELS = 2
"""Levels of lists and objects whose items are parsed one by one: a document, and its list of frames."""

_Parsed = tuple[object, int]
"""A value, and where it ends."""


def parse_json(content: bytes) -> object:
    """Parse JSON like `json.loads`.

    Raises:
        ValueError: not JSON, or in another encoding than UTF-8, UTF-16 and UTF-32.
        RecursionError: nested too deep.
    """
    text = content.decode(json.detect_encoding(content))
    value, end = _value(text, _after_space(text, 0), _LEVELS)
    if (end := _after_space(text, end)) != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _value(text: str, at: int, levels: int) -> _Parsed:
    if levels and text.startswith("[", at):
        return _list(text, _after_space(text, at + 1), levels - 1)
    if levels and text.startswith("{", at):
        return _object(text, _after_space(text, at + 1), levels - 1)
    return _DECODER.raw_decode(text, at)


def _list(text: str, at: int, levels: int) -> _Parsed:
    values: list[object] = []
    if text.startswith("]", at):
        return values, at + 1
    while True:
        value, at = _value(text, at, levels)
        values.append(value)
        at = _after_space(text, at)
        if text.startswith("]", at):
            return values, at + 1
        at = _after_mark(text, at, ",")


def _object(text: str, at: int, levels: int) -> _Parsed:
    values: dict[str, object] = {}
    if text.startswith("}", at):
        return values, at + 1
    while True:
        if not text.startswith('"', at):
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        name, at = _DECODER.raw_decode(text, at)
        at = _after_mark(text, _after_space(text, at), ":")
        values[name], at = _value(text, at, levels)
        at = _after_space(text, at)
        if text.startswith("}", at):
            return values, at + 1
        at = _after_mark(text, at, ",")


def _after_mark(text: str, at: int, mark: str) -> int:
    if not text.startswith(mark, at):
        raise json.JSONDecodeError(f"Expecting {mark!r} delimiter", text, at)
    return _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
