"""The reference follows the code: what is in the code is on its page, also what was added a moment ago."""

from typing import Annotated

import pytest
import typer
from fastapi import FastAPI
from pydantic import Field

from api.main import create_app
from core.jobs.settings import Settings
from core.specs.pretraining import PretrainConfig
from core.specs.recipes import RECIPES
from signforge import Client
from worker.attempt.progress import Progress


class LargerSettings(Settings):
    """Settings with one more field than the service has."""

    tea_seconds: Annotated[float, Field(gt=3)] = 240.0
    """How long | the tea draws."""


def brew(cups: Annotated[int, typer.Option(min=1, help="How many cups.")] = 2) -> None:
    """Brew tea."""


def test_every_setting_is_listed() -> None:
    from _generators import settings

    page = settings.page()
    for name in Settings.model_fields:
        assert f"`SIGNFORGE_{name.upper()}`" in page


def test_a_new_setting_is_listed_without_a_change_of_the_documentation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from _generators import settings

    monkeypatch.setattr(settings, "Settings", LargerSettings)
    row = "| `SIGNFORGE_TEA_SECONDS` | number | `240.0` | above `3` | How long \\| the tea draws. |"
    assert row in settings.page().splitlines()


def test_every_command_and_option_is_listed() -> None:
    from _generators import commands

    page = commands.page()
    leaves = [found for found in commands.all_commands() if not hasattr(found[1], "commands")]
    assert len(leaves) > 20
    for path, command in leaves:
        section = page.split(f"## `{path}`\n")[1].split("\n## ")[0]
        for parameter in command.params:
            if parameter.opts[0].startswith("-"):
                assert f"`{parameter.opts[0]}`" in section


def test_a_new_command_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from _generators import commands

    larger = typer.Typer()
    larger.add_typer(commands.app)
    larger.command(name="brew")(brew)
    monkeypatch.setattr(commands, "app", larger)
    section = commands.page().split("## `signforge brew`\n")[1]
    assert "Brew tea." in section
    assert "| `--cups` | integer, at least 1 | `2` | How many cups. |" in section


def test_a_new_route_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from _generators import http

    def larger(settings: Settings) -> FastAPI:
        app = create_app(settings)
        app.add_api_route("/v1/tea", brew, methods=["POST"], tags=["jobs"])
        return app

    monkeypatch.setattr(http, "create_app", larger)
    http.document.cache_clear()
    section = http.operations_page().split("### `POST /v1/tea`\n")[1].split("\n### ")[0]
    http.document.cache_clear()
    assert "Brew tea." in section
    assert "| `cups` | query | integer | `2` |" in section


def test_a_new_namespace_of_the_client_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from _generators import python

    class LargerClient(Client):
        @property
        def tea(self) -> object:
            return self._connection

    monkeypatch.setattr(python, "Client", LargerClient)
    assert "## `client.tea`" in python.page()
    assert ".. autoclass:: signforge.client.transport.connection.Connection" in python.page()


def test_every_operation_and_model_of_the_api_is_listed() -> None:
    from _generators import http

    operations, models = http.operations_page(), http.models_page()
    for path, methods in http.document()["paths"].items():
        for method in methods:
            assert operations.count(f"### `{method.upper()} {path}`\n") == 1
    for name in http.document()["components"]["schemas"]:
        assert models.count(f"(model-{http.slug(name)})=") == 1


def test_every_recipe_and_every_field_of_a_recipe_is_listed() -> None:
    from _generators import recipes

    page, fields = recipes.page(), recipes.fields_page()
    for name in RECIPES:
        assert f"## Recipe `{name}`" in page
    for group in PretrainConfig.model_json_schema()["$defs"].values():
        for name in group["properties"]:
            assert f"| `{name}` |" in fields


def test_every_kind_of_job_and_field_of_its_specification_is_listed() -> None:
    from _generators import specifications

    page = specifications.page()
    for kind, model in specifications.job_specifications().items():
        section = page.split(f"## Kind `{kind}`")[1].split("\n## ")[0]
        for name in model.model_fields:
            assert f"| `{name}` |" in section


def test_every_setting_has_a_description_of_its_own() -> None:
    from _generators import schemas

    fields = schemas.described_schema(Settings)["properties"]
    descriptions = [field.get("description", "") for field in fields.values()]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)


def test_every_event_has_its_fields() -> None:
    from _generators import events

    assert events.event_fields()["state"] == ["from", "to", "reason", "message", "attempt"]
    assert events.event_fields()["progress"] == list(Progress().as_json())
    assert set(events.event_fields()) == {"state", "progress", "metric", "checkpoint", "log"}


def test_an_event_whose_fields_are_not_described_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    from _generators import events

    described = {"data": "`state`: from, to. `log`: message."}
    monkeypatch.setattr(events, "field_docstrings", lambda _: described)
    with pytest.raises(LookupError, match="progress"):
        events.event_fields()


def test_every_public_name_of_the_package_has_a_section() -> None:
    from _generators import python

    import signforge

    page = python.page()
    for name in signforge.__all__:
        assert page.count(f"## `signforge.{name}`\n") == 1
