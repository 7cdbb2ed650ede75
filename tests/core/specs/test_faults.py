"""Pydantic validation errors as sentences: the field, what is wrong, the value."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from core.specs.faults import fault_sentence, json_pointer


class Part(BaseModel):
    size: Annotated[int, Field(ge=1)] = 1
    names: tuple[str, ...] = ()
    other: str | None = None
    colours: tuple[Literal["yellow", "green"], ...] = ()

    @field_validator("other")
    @classmethod
    def _is_known(cls, other: str | None) -> str | None:
        if other == "unknown":
            raise ValueError("there is none; name another.")
        return other

    @model_validator(mode="after")
    def _fit(self) -> "Part":
        if self.size > 2 and not self.names:
            raise ValueError("more than 2 need `names`")
        return self


class Whole(BaseModel):
    part: Part


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"part": {"size": 0}}, "/part/size: Input should be greater than or equal to 1 (got 0)."),
        (
            {"part": {"other": "unknown"}},
            "/part/other: there is none; name another (got 'unknown').",
        ),
        ({"part": {"size": 3}}, "/part: more than 2 need `names`."),
        ({"part": {"names": [1]}}, "/part/names/0: Input should be text (got 1)."),
        ({"part": {"size": None}}, "/part/size: Input should be a whole number (got None)."),
        (
            {"part": {"colours": ["yelow"]}},
            "/part/colours/0: There is no choice 'yelow'. Did you mean 'yellow'?",
        ),
        (
            {"part": {"colours": ["mauve"]}},
            "/part/colours/0: Input should be 'yellow' or 'green' (got 'mauve').",
        ),
        (
            {"part": {"colours": ["green,yellow"]}},
            "/part/colours/0: 'green,yellow' is 2 values; give each of them as an item of its own.",
        ),
        ({}, "/part is missing."),
        ({"part": []}, "/part: Input should be an object of fields (got [])."),
        ({"part": {"names": "ada"}}, "/part/names: Input should be a list (got 'ada')."),
    ],
)
def test_a_fault_names_its_field_and_the_value(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(document)
    (found,) = caught.value.errors()
    assert fault_sentence(found) == sentence


def test_at_replaces_the_json_pointer() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"part": {"size": 0}})
    (found,) = caught.value.errors()
    assert fault_sentence(found, at="SIZE").startswith("SIZE: Input should")
    assert fault_sentence(found, at="").startswith("Input should")


def test_long_values_are_shortened_and_invalid_json_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({"part": {"size": "9" * 100_000 + "x"}})
    assert len(fault_sentence(caught.value.errors()[0])) < 250
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate_json('{"part": ')
    sentence = fault_sentence(caught.value.errors()[0])
    assert sentence.startswith("Invalid JSON")
    assert "got" not in sentence


def test_a_json_pointer_escapes_slash_and_tilde() -> None:
    assert json_pointer(()) == ""
    assert json_pointer(("a/b", 0, "c~d")) == "/a~1b/0/c~0d"
