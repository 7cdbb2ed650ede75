"""Recipes resolve to full configurations; errors in overrides name the field."""

import pytest
from pydantic import ValidationError

from core.errors import SpecError
from core.specs.import_jobs import ImportSpec
from core.specs.jobs import EvaluateSpec, PretrainSpec
from core.specs.pretraining import EncoderConfig, PretrainConfig
from core.specs.recipes import RECIPES, find_recipe, resolve, spell_out


def test_stc_is_the_released_configuration() -> None:
    config = resolve(PretrainSpec(corpus="x", recipe="stc"))
    assert config == PretrainConfig(recipe="stc")
    contrast, run = config.contrast, config.run
    assert (contrast.fused_queue_length, contrast.part_queue_length) == (16384, 8192)
    assert (contrast.consistency.num_neighbours, contrast.transfer.num_neighbours) == (1024, 8192)
    assert (contrast.key_momentum, contrast.temperature, run.num_epochs) == (0.999, 0.07, 150)


def test_smoke_uses_gentle_views() -> None:
    """Chosen on synthetic signers, before the table of real ones was made (decision 13)."""
    views = find_recipe("smoke").config.views
    assert (views.trunk_scale_range, views.trunk_shift_range) == (0.3, 0.2)
    assert (views.hand_swap_mirrors_trunk, views.shear_range, views.occlusion_probability) == (True, 0.1, 0)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_states_its_cost_and_survives_json(name: str) -> None:
    recipe = find_recipe(name)
    assert all((recipe.summary, recipe.hardware, recipe.hours, recipe.expected))
    assert PretrainConfig.model_validate_json(recipe.config.model_dump_json()) == recipe.config


def test_epochs_that_are_asked_for_take_the_place_of_a_recipes_steps() -> None:
    def length(**run: int | None) -> tuple[int, int | None, int]:
        spec = PretrainSpec(corpus="x", recipe="signforge", overrides={"run": run})
        found = resolve(spec).run
        return found.num_epochs, found.num_steps, found.total_steps(num_clips=100)

    assert length()[1:] == (320, 320), "of any number of clips"
    assert length(num_epochs=2, batch_size=30) == (2, None, 6), "the last batch is incomplete"
    assert length(num_steps=7)[1:] == (7, 7)
    assert length(num_epochs=2, num_steps=7)[1:] == (7, 7), "as settings that are spelled out"
    assert length(num_steps=None, num_epochs=3, batch_size=50) == (3, None, 6)


def test_overrides_change_only_the_named_fields() -> None:
    plain = resolve(PretrainSpec(corpus="x", recipe="smoke"))
    changed = resolve(PretrainSpec(corpus="x", recipe="smoke", overrides={"run": {"seed": 3}}))
    assert changed == plain.model_copy(update={"run": plain.run.model_copy(update={"seed": 3})})


@pytest.mark.parametrize(
    ("overrides", "pointer", "words"),
    [
        ({"run": {"sed": 1}}, "/overrides/run/sed", "Did you mean 'seed'"),
        ({"running": {}}, "/overrides/running", "Did you mean 'run'"),
        ({"run": 3}, "/overrides/run", "expected an object"),
        ({"num_epochs": 1}, "/overrides/num_epochs", "Did you mean 'run.num_epochs'?"),
        ({"run": {"learning_rate": 1}}, "/overrides/run/learning_rate", "mean 'optimiser.learning_rate'?"),
        ({"run": {"seed": -1}}, "/overrides/run/seed", "got -1"),
        ({"recipe": "stc"}, "/overrides/recipe", "There is no field 'recipe'. There are: views"),
        (
            {"contrast": {"transfer": {"num_neighbours": 10**6}}},
            "/overrides",
            "contrast.transfer.num_neighbours 1000000 is above",
        ),
        ({"contrast": {"consistency": {"num_neighbours": 10**6}}}, "/overrides/contrast", "lower it"),
        ({"encoder": {"num_attention_heads": 7}}, "/overrides/encoder", "not a multiple"),
    ],
)
def test_an_invalid_override_is_rejected_with_its_pointer(
    overrides: dict[str, object], pointer: str, words: str
) -> None:
    with pytest.raises(SpecError, match=words) as refused:
        resolve(PretrainSpec(corpus="x", recipe="smoke", overrides=overrides))
    assert refused.value.pointer == pointer


def test_an_unknown_recipe_is_rejected_with_the_known_names() -> None:
    with pytest.raises(SpecError, match=r"'smok'.*stc.*Did you mean 'smoke'"):
        resolve(PretrainSpec(corpus="x", recipe="smok"))


def test_every_field_has_a_description() -> None:
    for model in (PretrainConfig, EncoderConfig, ImportSpec, PretrainSpec, EvaluateSpec):
        described = model.model_json_schema()["properties"]
        missing = [
            name for name, schema in described.items() if name != "kind" and "description" not in schema
        ]
        assert missing == []


@pytest.mark.parametrize("name", ["a/b", "..\\b", "a\0b", "", "a\nb"])
def test_names_that_become_files_hold_no_slash_and_no_control_character(name: str) -> None:
    with pytest.raises(ValidationError):
        PretrainSpec(corpus="c", name=name)
    with pytest.raises(ValidationError):
        ImportSpec(name=name, source="s")


def test_a_field_newer_than_a_stored_job_keeps_its_default() -> None:
    """The recipe `signforge` got another value for `embedding_pieces` than the field's default."""
    stored = find_recipe("signforge").config.model_dump(mode="json")
    del stored["encoder"]["embedding_pieces"]
    spec = {"kind": "pretrain", "corpus": "cor_1", "recipe": "signforge"}
    resolved = resolve(PretrainSpec.model_validate(spell_out(spec, stored)))
    assert resolved.encoder.embedding_pieces == "pooled"
    assert resolved.encoder.hand_origin == "points"
