"""JSON that is nested too deep is refused with the limit, before anything fails on it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import SpecError
from core.specs.jobs import PretrainSpec
from core.specs.nesting import MAX_NESTING, bounded, check_nesting, parse_json


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [1, MAX_NESTING])
def test_what_is_within_the_limit_is_parsed(depth: int) -> None:
    assert json.dumps(parse_json(nested(depth))) == nested(depth)
    assert bounded(json.loads(nested(depth))) is not None


@pytest.mark.parametrize("depth", [MAX_NESTING + 1, 900, 500_000])
def test_what_is_deeper_is_refused_with_the_limit(depth: int) -> None:
    for text in (nested(depth), nested(depth).encode(), '{"a":' * depth, '["]]]]", ' * depth):
        with pytest.raises(SpecError, match=f"the limit is {MAX_NESTING} lists or objects"):
            parse_json(text)


def test_brackets_in_texts_do_not_count() -> None:
    text = json.dumps({"a": "[" * 100, "b": '\\"[{' * 100, "[[[": "\\"})
    assert parse_json(text) == json.loads(text)


@pytest.mark.slow
@given(
    st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_document_of_json_is_parsed_as_json_does(value: object) -> None:
    text = json.dumps(value)
    assert parse_json(text) == json.loads(text)


def test_an_open_text_is_looked_at_once() -> None:
    """A pattern that tries each quote again would take hours."""
    check_nesting(b'"' + b"\\" * 2**20)
    check_nesting(b'"a' * 2**19)


def test_overrides_that_no_text_was_parsed_for() -> None:
    with pytest.raises(ValidationError, match=f"the limit is {MAX_NESTING}"):
        PretrainSpec(corpus="c", overrides={"run": json.loads(nested(MAX_NESTING))})
