"""Settings that an earlier version of the program saved, made comparable with those of this version."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError


def with_defaults_for_new_settings(
    saved: Any, spec_type: type[BaseModel], *, placeholders: Mapping[str, Any] | None = None
) -> Any:
    """Saved settings (from JSON) with the default of each that did not exist when they were saved.

    So a run can go on, and an import be recognised, after an update of the program: a new setting's default
    means what the program did before. `placeholders` stand for fields of `spec_type` that were left out on
    purpose, such as paths; the result is without them. Settings that do not fit are returned unchanged.
    """
    left_out = placeholders or {}
    if not isinstance(saved, Mapping):
        return saved
    try:
        settings = spec_type.model_validate({**left_out, **saved})
    except ValidationError:
        return saved
    return settings.model_dump(mode="json", exclude=set(left_out))
