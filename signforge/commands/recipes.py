"""`signforge recipes`: list the recipes of pretraining, or show one. They are built in, without a service."""

import json
from typing import Annotated

import typer

from core.errors import SpecError
from core.specs.recipes import RECIPES, Recipe, find_recipe
from signforge.commands.printing.terminal import AsJson, output, print_fields

_PARTS = ("summary", "hardware", "hours", "expected")


def recipes(
    name: Annotated[str | None, typer.Argument(metavar="RECIPE", help="Show this recipe in full.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes of pretraining, or show one with every field that --set may change."""
    found = [*RECIPES.values()] if name is None else [_named(name)]
    if as_json:
        documents = [_document(recipe) for recipe in found]
        typer.echo(json.dumps(documents if name is None else documents[0], indent=2))
        return
    for recipe in found:
        print_fields([("name", recipe.config.recipe), *((part, getattr(recipe, part)) for part in _PARTS)])
        output().print()
    if name is not None:
        output().print_json(json.dumps(_document(found[0])["config"]))


def _named(name: str) -> Recipe:
    try:
        return find_recipe(name)
    except SpecError as error:  # which points at a field of a specification
        raise SpecError(str(error)) from None


def _document(recipe: Recipe) -> dict[str, object]:
    """A recipe as `GET /v1/recipes` has it."""
    return {
        "name": recipe.config.recipe,
        **{part: getattr(recipe, part) for part in _PARTS},
        "config": recipe.config.model_dump(mode="json"),
    }
