"""Formats a pydantic validation error as one sentence: the field, what is wrong, and the value it has."""

import re
import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from core.specs.near_names import close_names, hint

_VALUE = reprlib.Repr()
_VALUE.maxstring = _VALUE.maxother = 80
_WITHOUT_VALUE = ("missing", "json_invalid", "extra_forbidden", "union_tag_invalid", "union_tag_not_found")
"""Error types whose value is the whole document or is in the sentence already."""
_MAX_LISTED = 12
"""Choices that pydantic may list in full."""
_PREFIX = "Value error, "
"""Pydantic puts this before the message of a ValueError that a validator raised."""
_OBJECT = "Input should be an object of fields"
_PLAIN = {
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "list_type": "Input should be a list",
    "tuple_type": "Input should be a list",
    "bool_type": "Input should be true or false",
    "bool_parsing": "Input should be true or false",
    "int_from_float": "Input should be a whole number",
    "int_type": "Input should be a whole number",
    "int_parsing": "Input should be a whole number",
    "float_type": "Input should be a number",
    "float_parsing": "Input should be a number",
    "string_type": "Input should be text",
    "string_unicode": "Input should be UTF-8 text",
}
"""Error type -> message, where pydantic's speaks of Python's types."""


def fault_sentence(found: Mapping[str, Any], *, at: str | None = None, model: object = None) -> str:
    """Format an item of `ValidationError.errors()`, such as `/seed: Input should be ... (got -1).`

    `at` names the field; the default is the error's JSON pointer. `model` is what was validated; its fields
    provide the near names of a misspelt one.
    """
    place = json_pointer(found["loc"]) if at is None else at
    if found["type"] == "missing":
        return f"{place or 'The document'} is missing."
    message = _message(found, model)
    value = found.get("input")
    is_quoted = isinstance(value, str) and _VALUE.repr(value) in message
    sentence = message if is_quoted else f"{message}{_shown_value(found)}"
    ending = "" if sentence.endswith(("?", ".")) else "."
    return f"{place}: {sentence}{ending}" if place else f"{sentence}{ending}"


def json_pointer(path: Sequence[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a field; empty for the whole document."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _message(found: Mapping[str, Any], model: object) -> str:
    code, context = found["type"], found.get("ctx", {})
    if code == "extra_forbidden":
        *parents, field = found["loc"]
        return f"There is no field {_VALUE.repr(str(field))}.{hint(str(field), _fields_at(model, parents))}"
    if code == "union_tag_invalid":
        tag = _VALUE.repr(context["tag"])
        known = re.findall(r"'([^']*)'", context["expected_tags"])
        return f"There is no {_discriminator(context)} {tag}.{hint(context['tag'], known, list_all=True)}"
    if code == "union_tag_not_found":
        return f"The field {_discriminator(context)!r} is missing"
    if code == "literal_error" and isinstance(found.get("input"), str):
        known = re.findall(r"'([^']*)'", context["expected"])
        if (sentence := _near_choice(found["input"], known)) is not None:
            return sentence
    return _PLAIN.get(code, str(found["msg"]).removeprefix(_PREFIX).rstrip("."))


def _near_choice(word: str, known: Sequence[str]) -> str | None:
    """Say which choice was meant; None if `word` is near none, and they are few enough to be listed."""
    parts = [part.strip() for part in word.split(",")]
    if len(parts) > 1 and set(parts) <= set(known):
        return f"{_VALUE.repr(word)} is {len(parts)} values; give each of them as an item of its own"
    if len(known) > _MAX_LISTED or close_names(word, known):
        return f"There is no choice {_VALUE.repr(word)}.{hint(word, known)}"
    return None


def _discriminator(context: Mapping[str, Any]) -> str:
    return str(context["discriminator"]).strip("'")


def _shown_value(found: Mapping[str, Any]) -> str:
    """Return the value in parentheses; empty for objects, whose many fields would hide the message."""
    value = found.get("input")
    is_plain = isinstance(value, str | int | float | list | tuple | None)
    return f" (got {_VALUE.repr(value)})" if is_plain and found["type"] not in _WITHOUT_VALUE else ""


def _fields_at(model: object, path: Sequence[str | int]) -> list[str]:
    for part in path:
        fields = _model_fields(model)
        if part not in fields:
            return []
        model = fields[str(part)].annotation
    return list(_model_fields(model))


def _model_fields(annotation: object) -> Mapping[str, Any]:
    """Fields of a model, also of a model in a union with None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        for member in typing.get_args(annotation):
            if fields := _model_fields(member):
                return fields
    return {}
