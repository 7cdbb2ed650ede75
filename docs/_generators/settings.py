"""The reference of settings: one row a field of `Settings`."""

from pathlib import Path
from typing import Any

from _generators.markdown import code, table
from _generators.schemas import default_words, described_schema, limit_words, type_words
from core.jobs.settings import Settings


def page() -> str:
    """Every setting with its environment variable, type, default, limits and meaning."""
    prefix = Settings.model_config.get("env_prefix", "")
    fields = described_schema(Settings)["properties"]
    rows = [
        (
            code(f"{prefix}{name}".upper()),
            type_words(schema),
            _default(name, schema),
            limit_words(schema),
            schema.get("description", ""),
        )
        for name, schema in fields.items()
    ]
    return table(("environment variable", "type", "default", "limits", "meaning"), rows)


def _default(name: str, schema: dict[str, Any]) -> str:
    """The default; one that depends on the user is told with `~` for their home folder."""
    factory = Settings.model_fields[name].default_factory
    if factory is None:
        return default_words(schema)
    value = factory()  # type: ignore[call-arg]
    return code(str(value).replace(str(Path.home()), "~"))
