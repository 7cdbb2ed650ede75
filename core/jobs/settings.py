"""Settings of the service, from `SIGNFORGE_...` environment variables. Defaults are the embedded service."""

import os
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import platformdirs
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import UserError
from core.jobs.urls import check_broker_url, check_bucket_url, check_database_url, check_http_url

_PREFIX = "SIGNFORGE_"
_MAX_SOCKET_BYTES = 100
"""Unix socket paths end at 107 bytes on Linux and 103 on macOS."""


_AWS_VARIABLES = {
    "s3_endpoint": "AWS_ENDPOINT_URL",
    "s3_region": "AWS_REGION",
    "s3_access_key_id": "AWS_ACCESS_KEY_ID",
    "s3_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "s3_session_token": "AWS_SESSION_TOKEN",
}
"""What stands in for a setting that is empty, where artifacts are in object storage."""
_URL_CHECKS: dict[str, Callable[[str], object]] = {
    "database_url": check_database_url,
    "broker_url": check_broker_url,
    "artifacts_url": check_bucket_url,
    "s3_endpoint": partial(check_http_url, example="http://127.0.0.1:9000"),
    "otel_endpoint": partial(check_http_url, example="http://127.0.0.1:4318", may_hold_password=True),
}


class Settings(BaseSettings):
    """Where things are and how long they may take. Seconds everywhere, bytes everywhere.

    White space around a value is dropped; an empty value counts as none. A folder whose name ends in white
    space can be given with a slash behind it.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    data_folder: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("signforge")))
    """Everything the embedded service keeps: database, broker, artifacts, logs, first API key."""
    database_url: Annotated[str, Field(repr=False)] = ""
    """SQLAlchemy URL; empty means SQLite in the data folder. PostgreSQL: postgresql+psycopg://..."""
    broker_url: Annotated[str, Field(repr=False)] = ""
    """Celery broker URL; empty means an embedded Valkey on a unix socket in the data folder."""
    artifacts: Path | None = None
    """Folder of uploads, corpora, checkpoints and encoders; empty means `artifacts` in the data folder. With
    `artifacts_url` it is each host's own working folder and cache."""
    artifacts_url: str = ""
    """Object storage for artifacts, `s3://bucket` or `s3://bucket/prefix`; empty means the folder alone."""
    s3_endpoint: str = ""
    """Where the object storage listens; empty means AWS_ENDPOINT_URL, else Amazon's."""
    s3_region: str = ""
    """Its region; empty means AWS_REGION, else us-east-1."""
    s3_access_key_id: str = ""
    """Who we are there; empty means AWS_ACCESS_KEY_ID, else the role of the machine."""
    s3_secret_access_key: SecretStr = SecretStr("")
    """The secret that belongs to it; empty means AWS_SECRET_ACCESS_KEY."""
    s3_session_token: SecretStr = SecretStr("")
    """The token of temporary credentials; empty means AWS_SESSION_TOKEN."""
    storage_patience_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How long a request to the object storage is tried again, and how long it may be silent."""
    redirect_downloads: bool = True
    """Whether downloads go straight to the object storage, by a signed URL; else the API passes them on."""
    corpus_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders (separated as in PATH) below which a corpus may be registered by path."""
    log_format: Literal["text", "json"] = "text"
    """How API, reconciler, worker and supervisor log: lines for a person, or one JSON object a line."""
    otel_endpoint: Annotated[str, Field(repr=False)] = ""
    """OTLP/HTTP endpoint for traces, such as http://127.0.0.1:4318; empty: none. Needs signforge[otel]."""
    host: str = "127.0.0.1"
    """Address the API listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    """Port the API listens on."""
    max_upload_bytes: Annotated[int, Field(gt=0)] = 8 * 2**30
    """Largest upload."""
    max_body_bytes: Annotated[int, Field(gt=0)] = 2**20
    """Largest JSON body."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 1200
    """Requests of one API key (or else one address) to one API process, in the long run; 0: no limit."""
    request_burst: Annotated[int, Field(ge=1)] = 240
    """Requests that may come at once after a silence."""
    webhook_private_targets: bool = False
    """Whether webhooks may go to private, loopback, link-local and metadata addresses."""
    webhook_patience_days: Annotated[float, Field(gt=0)] = 3.0
    """How long a webhook's message is tried again; a webhook that fails for so long is disabled."""
    keep_deliveries_days: Annotated[float, Field(gt=0)] = 30.0
    """How long it is told what became of a webhook's message."""
    keep_idempotency_days: Annotated[float, Field(gt=0)] = 30.0
    """How long a creation that is repeated under its idempotency key makes nothing new."""
    keep_audit_trail_days: Annotated[float, Field(gt=0)] = 365.0
    """How long entries of the audit trail are kept."""
    worker_name: Annotated[str, Field(pattern=r"^[\w.-]*$", max_length=100)] = ""
    """Tells workers on one host apart; empty means by data folder and CUDA_VISIBLE_DEVICES."""
    lease_seconds: Annotated[float, Field(gt=0)] = 90.0
    """A worker that does not renew for this long has lost its job."""
    renew_seconds: Annotated[float, Field(gt=0)] = 15.0
    """Between renewals of a lease."""
    poll_seconds: Annotated[float, Field(gt=0)] = 0.5
    """Between a holder's looks at what is desired of its job: how soon a cancel is felt."""
    reconcile_seconds: Annotated[float, Field(gt=0)] = 0.5
    """Between the reconciler's rounds."""
    collect_every_seconds: Annotated[float, Field(ge=0)] = 600.0
    """Between the reconciler's looks for files that nobody needs any more; 0: it never looks."""
    collect_after_seconds: Annotated[float, Field(gt=0)] = 3600.0
    """What changed less than this ago is not removed; more than hosts' clocks differ, and than a lease."""
    ring_again_seconds: Annotated[float, Field(gt=0)] = 5.0
    """First wait before a doorbell that nobody answered is rung again; doubles up to a minute."""
    stop_grace_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How long a program may take to save and stop before it is killed."""
    stall_seconds: Annotated[float, Field(gt=0)] = 900.0
    """A program silent for this long is stalled and is killed."""
    max_attempts: Annotated[int, Field(ge=1)] = 5
    """Charged attempts before a job fails."""
    backoff_seconds: Annotated[float, Field(ge=0)] = 2.0
    """Wait before a second attempt; doubles with each further one."""
    max_queued_per_owner: Annotated[int, Field(ge=1)] = 1000
    """Jobs of one owner that may wait at a time."""
    max_running_per_owner: Annotated[int, Field(ge=1)] | None = None
    """Jobs of one owner that workers hold at a time; the others wait. Empty: no limit."""
    max_stored_bytes_per_owner: Annotated[int, Field(ge=1)] | None = None
    """Uploads, corpora, checkpoints and encoders of one owner together. Empty: no limit."""
    max_log_bytes_per_job: Annotated[int, Field(ge=2**16)] = 16 * 2**20
    """What a job's programs wrote to standard error, all attempts together; the oldest is left out."""

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, given: dict[str, Any]) -> dict[str, Any]:
        values = _stripped(given)
        if "artifacts_url" not in values:
            return values
        return {
            **_stripped({name: os.environ.get(aws, "") for name, aws in _AWS_VARIABLES.items()}),
            **values,
        }

    @field_validator("corpus_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = (part.strip() for part in value.split(os.pathsep))
        return tuple(part for part in parts if part)

    @field_validator("data_folder", "artifacts")
    @classmethod
    def _check_path(cls, value: Path | None) -> Path | None:
        if value is not None:
            _check_text(value)
        return value

    @field_validator("corpus_roots")
    @classmethod
    def _check_paths(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for path in value:
            _check_text(path)
        return value

    @field_validator("database_url", "broker_url", "artifacts_url", "s3_endpoint", "otel_endpoint")
    @classmethod
    def _check_url(cls, value: str, info: ValidationInfo) -> str:
        assert info.field_name is not None
        if value:
            _URL_CHECKS[info.field_name](value)
        return value

    @field_validator("s3_region", "s3_access_key_id", "s3_secret_access_key", "s3_session_token")
    @classmethod
    def _check_header_value(cls, value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not re.fullmatch(r"[\x21-\x7e]*", text):
            raise ValueError("it has a space, line break or other character that such a value never has")
        return value

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
    def resolved_database_url(self) -> str:
        """The database URL with its default filled in."""
        if self.database_url:
            return self.database_url
        from sqlalchemy import URL  # the client reads settings too, and starts sooner without it

        file = self.data_folder.absolute() / "signforge.db"
        return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)

    @property
    def broker_socket(self) -> Path:
        """Where the embedded broker listens: the data folder, or the user's cache if its path is too long."""
        socket = self.data_folder.absolute() / "valkey.sock"
        in_bytes = os.fsencode(socket)
        if len(in_bytes) <= _MAX_SOCKET_BYTES:
            return socket
        return Path(platformdirs.user_cache_dir("signforge")) / f"{zlib.crc32(in_bytes):08x}.sock"

    @property
    def resolved_broker_url(self) -> str:
        """The broker URL with its default filled in."""
        return self.broker_url or f"redis+socket://{quote(str(self.broker_socket))}"

    @property
    def artifacts_folder(self) -> Path:
        """The artifact folder with its default filled in."""
        return (self.artifacts or self.data_folder / "artifacts").absolute()

    @property
    def api_key_file(self) -> Path:
        """Where the embedded service leaves its first API key for the command line to find."""
        return self.data_folder.absolute() / "api_key"


def read_settings(**changes: Any) -> Settings:
    """The settings from the environment, with `changes` (those that are not None) over them.

    Raises:
        UserError: a value cannot be used; the message names the variable and shows no secret.
    """
    try:
        return Settings(**{name: value for name, value in changes.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = _variable_of(str(first["loc"][0]))
        message = first["msg"].removeprefix("Value error, ")
        # Our own checks say what is wrong without the value, which may be a secret.
        got = "" if first["type"] == "value_error" else f" (got {first['input']!r})"
        raise UserError(f"{name}: {message}{got}.") from None


def settings_or_exit() -> Settings:
    """The settings of a process of the service; a value that cannot be used ends it with one line."""
    try:
        return read_settings()
    except UserError as error:
        sys.exit(f"Error: {error}")


def _stripped(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without white space around them, and without those that are empty then."""
    stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    return {name: value for name, value in stripped.items() if value != ""}


def _variable_of(field: str) -> str:
    """The variable that a setting's value comes from."""
    own, aws = f"{_PREFIX}{field.upper()}", _AWS_VARIABLES.get(field, "")
    return aws if os.environ.get(aws) and not os.environ.get(own, "").strip() else own


def _check_text(path: Path) -> None:
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise ValueError("the path is not UTF-8 text; choose or rename the folder") from None
