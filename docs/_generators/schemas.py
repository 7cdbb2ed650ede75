"""JSON schemas in words: the type, the limits, the default and the fields of a model."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from _generators.markdown import code, table, values
from core.specs.docstrings import field_docstrings

Schema = Mapping[str, Any]
Link = Callable[[str], str]
"""Makes a link, or plain code, of a model's name."""

_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
}
_TYPES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
_FORMATS = {"date-time": "date and time", "binary": "bytes", "path": "path", "password": "secret"}


def model_fields(model: type[BaseModel], link: Link = code) -> str:
    """The table of a model's fields, as its own JSON schema says."""
    return fields_table(described_schema(model), link)


def described_schema(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema, in which every field with a docstring has it as its description."""
    schema = model.model_json_schema()
    docstrings = field_docstrings(model)
    for name, field in schema.get("properties", {}).items():
        if name in docstrings:
            field.setdefault("description", docstrings[name])
    return schema


def fields_table(schema: Schema, link: Link = code) -> str:
    """The table of an object's fields: name, type, default, limits and meaning."""
    required = set(schema.get("required", ()))
    rows = [
        (
            code(name),
            type_words(field, link),
            "required" if name in required else default_words(field),
            limit_words(field),
            str(field.get("description", "")),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    return table(("field", "type", "default", "limits", "meaning"), rows)


def type_words(schema: Schema, link: Link = code) -> str:
    """A schema's type, such as `list of integer`."""
    if "$ref" in schema:
        return link(schema["$ref"].rsplit("/", 1)[-1])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(type_words(option, link) for option in options))
    if "const" in schema:
        return code(str(schema["const"]))
    if "enum" in schema:
        return "one of " + values(schema["enum"])
    return _container_words(schema, link)


def _container_words(schema: Schema, link: Link) -> str:
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return "list of " + type_words(items, link) if items else "list"
    if schema.get("type") == "object":
        if schema.get("properties"):
            return "object with " + values(schema["properties"])
        inner = schema.get("additionalProperties")
        return "object of " + type_words(inner, link) if isinstance(inner, Mapping) and inner else "object"
    return _FORMATS.get(schema.get("format", ""), _TYPES.get(schema.get("type", ""), "any"))


def default_words(schema: Schema) -> str:
    """A field's default as JSON, or a dash."""
    if "default" not in schema:
        return "-"
    default = schema["default"]
    if isinstance(default, dict):
        return "its fields' defaults" if default else code("{}")
    return _json_words(default)


def _json_words(value: object) -> str:
    spoken = {None: "null", True: "true", False: "false", "": '""'}
    if isinstance(value, (list, tuple)):
        return code("[" + ", ".join(map(str, value)) + "]")
    return code(str(spoken.get(value, value) if isinstance(value, (bool, str, type(None))) else value))


def limit_words(schema: Schema) -> str:
    """What a value must satisfy, without the rule that it holds no null character."""
    return "; ".join(dict.fromkeys(_limits(schema)))


def _limits(schema: Schema) -> Iterator[str]:
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _limits(option)
    if isinstance(schema.get("items"), Mapping):
        yield from _limits(schema["items"])
    for key, words in _LIMITS.items():
        if key in schema and not (key == "pattern" and "x00" in str(schema[key])):
            yield words.format(code(str(schema[key])))
