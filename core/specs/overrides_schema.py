"""The JSON schema of `overrides`: all fields of a recipe's configuration, none of them required."""

from collections.abc import Mapping
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_REFERENCE = "#/$defs/"
_OF_WHOLE_RECIPES = ("default", "required")
"""Keys that do not hold for a part of a configuration: its other values are the recipe's."""


class OverridesSchema:
    """Marks a field that holds overrides of `PretrainConfig`, for OpenAPI and clients generated from it."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of the object, with the fields that it may have."""
        return {**handler(core_schema), **overrides_schema()}


def overrides_schema() -> dict[str, Any]:
    """Return the schema of any part of a configuration of pretraining, without references."""
    from core.specs.pretraining import PretrainConfig  # which a specification alone does not need

    schema = PretrainConfig.model_json_schema()
    del schema["properties"]["recipe"]
    whole = _partial(schema, schema.get("$defs", {}))
    return {"type": "object", "properties": whole["properties"], "additionalProperties": False}


def _partial(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with its references resolved, and without what holds for whole recipes only."""
    kept = {key: value for key, value in schema.items() if key not in (*_OF_WHOLE_RECIPES, "$ref", "$defs")}
    if "$ref" in schema:
        named = str(schema["$ref"]).removeprefix(_REFERENCE)
        kept = {"title": named, **_partial(definitions[named], definitions), **kept}
    if "properties" in kept:
        kept["properties"] = {
            name: _partial(field, definitions) for name, field in kept["properties"].items()
        }
    for key in ("anyOf", "oneOf", "allOf"):
        if key in kept:
            kept[key] = [_partial(choice, definitions) for choice in kept[key]]
    return kept
