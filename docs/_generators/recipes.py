"""The reference of recipes: what each is, where it differs from `stc`, and every field it may set."""

from collections.abc import Iterator, Mapping

from _generators.markdown import code, heading, joined, slug, table
from _generators.schemas import fields_table
from core.specs.pretraining import PretrainConfig
from core.specs.recipes import RECIPES, Recipe

_BASE = "stc"


def page() -> str:
    """A section for each recipe."""
    return joined(_section(name, recipe) for name, recipe in RECIPES.items())


def fields_page() -> str:
    """A section for each group of fields of a pretraining configuration, with its defaults."""
    schema = PretrainConfig.model_json_schema()
    parts = {"PretrainConfig": schema, **schema["$defs"]}
    return joined(_fields_section(name, part) for name, part in parts.items())


def _section(name: str, recipe: Recipe) -> str:
    facts = [
        ("summary", recipe.summary),
        ("hardware", recipe.hardware),
        ("hours", recipe.hours),
        ("expected score", recipe.expected),
    ]
    rows = [(code(field), code(str(ours)), code(str(theirs))) for field, ours, theirs in _differences(recipe)]
    changed = table(("field", f"in {code(name)}", f"in {code(_BASE)}"), rows)
    return joined(
        [heading(2, f"Recipe {code(name)}", anchor=f"recipe-{slug(name)}"), table(("", ""), facts), changed]
    )


def _differences(recipe: Recipe) -> Iterator[tuple[str, object, object]]:
    """Fields whose value is not that of the base recipe."""
    base = dict(_flat(RECIPES[_BASE].config.model_dump()))
    for field, value in _flat(recipe.config.model_dump()):
        if field != "recipe" and value != base[field]:
            yield field, value, base[field]


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _fields_section(name: str, schema: dict[str, object]) -> str:
    description = str(schema.get("description", ""))
    fields = fields_table(schema, lambda model: f"[{model}](#fields-{slug(model)})")
    return joined([heading(2, name, anchor=f"fields-{slug(name)}"), description, fields])
