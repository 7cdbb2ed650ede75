"""Parsing in pieces gives what `json.loads` gives, and refuses what it refuses."""

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.corpora.readers.untrusted.json_pieces import parse_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
marks = st.text(alphabet='[]{},:" \n\t1ae-.\\', max_size=12)


def loaded(parse: Any, content: bytes) -> object:
    """The value, or the kind of the error."""
    try:
        return json.dumps(parse(content))
    except ValueError as error:
        return type(error)


@pytest.mark.slow
@given(values, st.sampled_from([None, 2]), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_valid_json(value: object, indent: int | None, encoding: str) -> None:
    content = json.dumps(value, indent=indent).encode(encoding)
    assert parse_json(content) == json.loads(content) == value


@pytest.mark.slow
@given(values, marks, st.floats(0, 1))
def test_changed_json(value: object, insert: str, place: float) -> None:
    text = json.dumps(value)
    at = int(place * len(text))
    for changed in (text[:at] + insert + text[at:], text[:at] + insert, insert):
        content = changed.encode()
        assert loaded(parse_json, content) == loaded(json.loads, content)


@pytest.mark.parametrize("text", ["", " ", "[1,]", '{"a":1,}', '{"a" 1}', "{1:2}", "[1 2]", "[1]]", "[", "{"])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse_json(text.encode())


def test_another_thread_runs_in_between() -> None:
    content = b'{"frames": [' + b'{"a": [0.5, 0.5]},' * 200_000 + b"null]}"
    turns, is_done = 0, threading.Event()
    thread = threading.Thread(target=lambda: (parse_json(content), is_done.set()))
    thread.start()
    while not is_done.wait(0.001):
        turns += 1
    thread.join()
    assert turns > 3, "json.loads would leave it one or two"
