"""Settings of the service, from `SIGNFORGE_...` environment variables. Defaults are the embedded service."""

import os
import re
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import platformdirs
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import UserError
from core.jobs.local_settings import LocalSettings, check_path, setting_error, stripped
from core.jobs.private_files import keep_files_private
from core.jobs.setting_names import PREFIX, misspelt_settings
from core.jobs.urls import check_broker_url, check_bucket_url, check_database_url, check_http_url
from core.program.memory_limit import SMALLEST_LIMIT
from core.specs.fields import Days, Seconds, SecondsOrZero

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


class Settings(LocalSettings, BaseSettings):
    """Settings of the service, from environment variables SIGNFORGE_... Times are seconds, sizes bytes.

    White space around a value is dropped. An empty value counts as unset. A folder whose name ends in white
    space needs a slash behind it.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX)

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
    """Endpoint URL of the object storage; empty means AWS_ENDPOINT_URL, else Amazon S3."""
    s3_region: str = ""
    """Region of the object storage; empty means AWS_REGION, else us-east-1."""
    s3_access_key_id: str = ""
    """Access key id of the object storage; empty means AWS_ACCESS_KEY_ID, else the machine's role."""
    s3_secret_access_key: SecretStr = SecretStr("")
    """Secret access key of the object storage; empty means AWS_SECRET_ACCESS_KEY."""
    s3_session_token: SecretStr = SecretStr("")
    """Session token of temporary credentials; empty means AWS_SESSION_TOKEN."""
    storage_patience_seconds: Seconds = 60.0
    """Retry limit and timeout of requests to the object storage, in seconds."""
    redirect_downloads: bool = True
    """Whether downloads are redirected to the object storage by a signed URL. If not, the API sends them."""
    corpus_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders (separated as in PATH) from which corpora may be imported by path. The API and the workers need
    the same value. Links that lead out of such a folder are not followed."""
    log_format: Literal["text", "json"] = "text"
    """Log format of API, reconciler, worker and supervisor: plain text, or one JSON object a line."""
    otel_endpoint: Annotated[str, Field(repr=False)] = ""
    """OpenTelemetry collector (OTLP over HTTP) that receives the traces of jobs; empty means no tracing."""
    max_upload_bytes: Annotated[int, Field(gt=0)] = 8 * 2**30
    """Maximum size of an upload."""
    max_body_bytes: Annotated[int, Field(gt=0)] = 2**20
    """Maximum size of a JSON body."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 1200
    """Rate limit per API key (without a key, per address) and API process. 0: no limit."""
    request_burst: Annotated[int, Field(ge=1)] = 240
    """Burst size of the rate limit: requests accepted at once after an idle time."""
    webhook_private_targets: bool = False
    """Whether webhooks may go to private, loopback, link-local and metadata addresses."""
    webhook_patience_days: Days = 3.0
    """How long a webhook message is retried. A webhook that fails for this long is disabled."""
    keep_deliveries_days: Days = 30.0
    """How long the delivery log of webhooks is kept."""
    keep_idempotency_days: Days = 30.0
    """How long idempotency keys are kept."""
    keep_audit_trail_days: Days = 365.0
    """How long entries of the audit trail are kept."""
    worker_name: Annotated[str, Field(pattern=r"^[\w.-]*$", max_length=100)] = ""
    """Name of a worker, unique on its host. Empty: made of data folder and CUDA_VISIBLE_DEVICES."""
    lease_seconds: Seconds = 90.0
    """Length of a lease. A worker that does not renew it in time loses its job."""
    renew_seconds: Seconds = 15.0
    """Time between renewals of a lease."""
    poll_seconds: Seconds = 0.5
    """Time between polls of a worker for requests such as cancel or pause."""
    reconcile_seconds: Seconds = 0.5
    """Time between rounds of the reconciler."""
    collect_every_seconds: SecondsOrZero = 600.0
    """Time between garbage collections by the reconciler. 0: no garbage collection."""
    collect_after_seconds: Seconds = 3600.0
    """Minimum age of files to be collected. Must exceed a lease and the difference of the hosts' clocks."""
    ring_again_seconds: Seconds = 5.0
    """First wait before an unanswered doorbell is sent again. It doubles, up to a minute."""
    stop_grace_seconds: Seconds = 30.0
    """Time that a program has to save and stop before it is killed."""
    warm_start: bool = True
    """Whether a worker forks supervisors and programs from a process that has loaded what they need, so that
    jobs start seconds sooner. Takes some 300 MB of memory. Only Linux does this, with 2 GiB or more."""
    stall_seconds: Seconds = 900.0
    """A program without output for this long counts as stalled and is killed."""
    import_memory_bytes: Annotated[int, Field(ge=SMALLEST_LIMIT)] | None = None
    """Maximum private memory of a program that reads uploads. Processes that read files for it in parallel
    share half as much again. Empty: half of the machine's or container's memory. Only Linux limits it."""
    max_attempts: Annotated[int, Field(ge=1)] = 5
    """Charged attempts before a job fails."""
    backoff_seconds: SecondsOrZero = 2.0
    """Wait before the second attempt. It doubles with each further attempt."""
    max_queued_per_owner: Annotated[int, Field(ge=1)] = 1000
    """Maximum queued jobs of one owner."""
    max_running_per_owner: Annotated[int, Field(ge=1)] | None = None
    """Maximum running jobs of one owner; others wait. Empty: no limit."""
    max_stored_bytes_per_owner: Annotated[int, Field(ge=1)] | None = None
    """Storage quota of one owner: uploads, corpora, checkpoints and encoders. Empty: no limit."""
    max_log_bytes_per_job: Annotated[int, Field(ge=2**16)] = 16 * 2**20
    """Maximum log size of a job over all attempts. The oldest lines are dropped."""

    @model_validator(mode="before")
    @classmethod
    def _strip(cls, given: dict[str, Any]) -> dict[str, Any]:
        values = stripped(given)
        if "artifacts_url" not in values:
            return values
        return {
            **stripped({name: os.environ.get(aws, "") for name, aws in _AWS_VARIABLES.items()}),
            **values,
        }

    @field_validator("corpus_roots", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = (part.strip() for part in value.split(os.pathsep))
        return tuple(part for part in parts if part)

    @field_validator("artifacts")
    @classmethod
    def _check_artifacts(cls, value: Path | None) -> Path | None:
        return None if value is None else check_path(value)

    @field_validator("corpus_roots")
    @classmethod
    def _check_corpus_roots(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(map(check_path, value))

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

    @property
    def resolved_database_url(self) -> str:
        """The database URL with its default filled in."""
        if self.database_url:
            return self.database_url
        from sqlalchemy import URL  # commands without a database start sooner without it

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


def read_settings(**changes: Any) -> Settings:
    """The settings from the environment, with `changes` (those that are not None) over them.

    Raises:
        UserError: a value cannot be used; the message names the variable and shows no secret.
    """
    try:
        return Settings(**{name: value for name, value in changes.items() if value is not None})
    except ValidationError as error:
        raise setting_error(error, variables=_aws_variables_read()) from None


def settings_or_exit() -> Settings:
    """The settings of a process of the service; a value that cannot be used ends it with one line.

    What it and its children write is readable by its user alone. It warns of misspelt settings and of a data
    folder that others may read.
    """
    try:
        settings = read_settings()
    except UserError as error:
        sys.exit(f"Error: {error}")
    for warning in (*misspelt_settings(), *keep_files_private(settings.data_folder)):
        sys.stderr.write(f"Warning: {warning}\n")
    return settings


def _aws_variables_read() -> dict[str, str]:
    """The variables that stand in for a setting that is empty, by setting."""
    return {
        field: aws
        for field, aws in _AWS_VARIABLES.items()
        if os.environ.get(aws) and not os.environ.get(f"{PREFIX}{field.upper()}", "").strip()
    }
