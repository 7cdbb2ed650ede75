"""Recipe routes: list and get the named configurations of pretraining jobs."""

from fastapi import APIRouter

from api.auth import Reader
from api.bounded_json import BoundedJsonRoute
from api.problems import Problem
from api.schemas.library import RecipeList, RecipeResponse
from core.errors import SpecError
from core.specs.recipes import RECIPES, find_recipe

router = APIRouter(tags=["recipes"], route_class=BoundedJsonRoute)


@router.get("/recipes")
def list_recipes(_: Reader) -> RecipeList:
    """List the recipes with hardware, hours and expected score."""
    return RecipeList(data=[RecipeResponse.of(recipe) for recipe in RECIPES.values()])


@router.get("/recipes/{name}")
def get_recipe(name: str, _: Reader) -> RecipeResponse:
    """Get a recipe: every field that `overrides` may change."""
    try:
        return RecipeResponse.of(find_recipe(name))
    except SpecError as error:
        raise Problem(404, "not-found", str(error)) from None
