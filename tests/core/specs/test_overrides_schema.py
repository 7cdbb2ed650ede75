"""The schema of overrides describes exactly what recipes accept."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from core.errors import SpecError
from core.specs.jobs import PretrainSpec
from core.specs.overrides_schema import overrides_schema
from core.specs.recipes import RECIPES, resolve


def leaves(values: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each field of a configuration that is no object, with its schema; both have the same fields."""
    assert schema["additionalProperties"] is False
    assert "required" not in schema
    assert set(schema["properties"]) == set(values)
    for name, value in values.items():
        field = schema["properties"][name]
        if isinstance(value, dict):
            yield from (((name, *path), leaf) for path, leaf in leaves(value, field))
        else:
            yield (name,), field


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_field_of_a_recipe_is_described(recipe: str) -> None:
    config = RECIPES[recipe].config.model_dump(mode="json")
    del config["recipe"]
    found = dict(leaves(config, overrides_schema()))
    assert len(found) > 60
    assert all(field.get("description") for field in found.values())
    assert found["run", "num_epochs"]["minimum"] == 1
    assert found["contrast", "transfer", "num_neighbours"]["type"] == "integer"


def test_what_the_schema_does_not_have_is_refused() -> None:
    for overrides in ({"recipe": "stc"}, {"run": {"epochs": 1}}):
        with pytest.raises(SpecError):
            resolve(PretrainSpec(corpus="c", overrides=overrides))


def test_it_is_part_of_the_specifications_schema_without_references() -> None:
    shown = PretrainSpec.model_json_schema()["properties"]["overrides"]
    assert shown["properties"].keys() == overrides_schema()["properties"].keys()
    assert shown["description"].startswith("Recipe fields to override")
    assert "$ref" not in json.dumps(shown)
    assert '"default"' not in json.dumps(shown["properties"])
