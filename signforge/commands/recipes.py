"""`signforge recipes`: list the recipes of pretraining, or show one."""

import json
from typing import Annotated

import typer

from core.errors import SpecError
from core.specs.near_names import hint
from signforge.client import Client
from signforge.client.models import Recipe
from signforge.commands.printing.terminal import AsJson, output, print_fields, print_json


def recipes(
    name: Annotated[str | None, typer.Argument(metavar="RECIPE", help="Show this recipe in full.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes of pretraining, or show one with every field that --set may change."""
    with Client() as client:
        found = client.recipes.list()
    if name is not None:
        found = [_named(name, found)]
    if as_json:
        print_json(found[0] if name is not None else found)
        return
    for recipe in found:
        print_fields(
            [(part, getattr(recipe, part)) for part in ("name", "summary", "hardware", "hours", "expected")]
        )
        output().print()
    if name is not None:
        output().print_json(json.dumps(found[0].config))


def _named(name: str, recipes: list[Recipe]) -> Recipe:
    for recipe in recipes:
        if recipe.name == name:
            return recipe
    known = hint(name, [recipe.name for recipe in recipes], list_all=True)
    raise SpecError(f"There is no recipe {name!r}.{known}")
