"""Settings that clients on this machine share with the embedded service: its data folder, host and port.

A client reads these alone, so that a value that only the server needs cannot stop it, and without
pydantic-settings, which would take a fifth of the time of a short command.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import UserError
from core.jobs.setting_names import PREFIX
from core.specs.faults import fault_sentence


class LocalSettings(BaseModel):
    """Where the embedded service of this machine keeps its data and listens.

    White space around a value is dropped. An empty value counts as unset. A folder whose name ends in white
    space needs a slash behind it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    data_folder: Path = Field(default_factory=lambda: _user_data_folder())
    """Everything the embedded service keeps: database, broker, artifacts, logs, first API key."""
    host: str = "127.0.0.1"
    """Address the API listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    """Port the API listens on."""

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, given: dict[str, Any]) -> dict[str, Any]:
        return stripped(given)

    @field_validator("data_folder")
    @classmethod
    def _check_data_folder(cls, value: Path) -> Path:
        return check_path(value)

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        try:
            value.encode("idna")
        except UnicodeError:
            value = ""
        if not re.fullmatch(r"[\w.:%-]+", value):
            raise ValueError("it is not a host name or an IP address; expected e.g. 127.0.0.1 or ::1")
        return value

    @property
    def api_key_file(self) -> Path:
        """Where the embedded service leaves its first API key for the command line to find."""
        return self.data_folder.absolute() / "api_key"


def _user_data_folder() -> Path:
    import platformdirs  # slow to import, and needless where the folder is given

    return Path(platformdirs.user_data_dir("signforge"))


def read_local_settings() -> LocalSettings:
    """The data folder, host and port from the environment.

    Raises:
        UserError: one of them cannot be used; the message names the variable.
    """
    given = {name.lower(): value for name, value in os.environ.items()}
    names = {field: f"{PREFIX}{field}".lower() for field in LocalSettings.model_fields}
    try:
        return LocalSettings.model_validate(
            {field: given[name] for field, name in names.items() if name in given}
        )
    except ValidationError as error:
        raise setting_error(error) from None


def setting_error(error: ValidationError, *, variables: Mapping[str, str] | None = None) -> UserError:
    """The first fault of settings as a sentence that names the variable and shows no secret.

    `variables` names the variables of fields whose value comes from another than the usual one.
    """
    first = error.errors()[0]
    field = str(first["loc"][0])
    name = (variables or {}).get(field, f"{PREFIX}{field.upper()}")
    if first["type"] == "value_error":  # our own check says what is wrong; the value may be a secret
        first["input"] = {}
    return UserError(fault_sentence(first, at=name))


def stripped(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without white space around them, and without those that are empty then."""
    found = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in found.items() if value != ""}


def check_path(path: Path) -> Path:
    """Require a path that is UTF-8 text, and return it.

    Raises:
        ValueError: it is not.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise ValueError("the path is not UTF-8 text; choose or rename the folder") from None
    return path
