"""Fills settings saved by an earlier version with the defaults of new fields."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError


def with_defaults_for_new_settings(
    saved: Any, spec_type: type[BaseModel], *, placeholders: Mapping[str, Any] | None = None
) -> Any:
    """Return saved settings (from JSON) with the default of each field that did not exist then.

    After an update a run can then resume, and an import be recognised. The default of a new setting keeps the
    earlier behaviour. `placeholders` are values for fields of `spec_type` that were not saved on purpose,
    such as paths; the result does not contain them. Settings that do not fit are returned unchanged.
    """
    left_out = placeholders or {}
    if not isinstance(saved, Mapping):
        return saved
    try:
        settings = spec_type.model_validate({**left_out, **saved})
    except ValidationError:
        return saved
    return settings.model_dump(mode="json", exclude=set(left_out))
