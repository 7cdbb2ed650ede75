"""Which artifact store the settings name."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obstore.store import S3Store

from core.jobs.settings import Settings
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.bucket_store import BucketStore
from core.jobs.storage.folder_store import FolderStore
from core.jobs.urls import check_bucket_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_IMPATIENT_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_ONE_FILE = "1day"
"""Longest for one request: obstore's own 30 s would end long downloads. Silence ends a request sooner."""


def open_store(settings: Settings) -> ArtifactStore:
    """Return the store that `settings` name: a folder, or a bucket with that folder to work in."""
    if not settings.artifacts_url:
        return FolderStore(settings.artifacts_folder)
    patience = settings.storage_patience_seconds
    return BucketStore(
        settings.artifacts_folder,
        _open_bucket(settings, patience_seconds=patience),
        impatient=_open_bucket(settings, patience_seconds=min(_IMPATIENT_SECONDS, patience)),
        redirect=settings.redirect_downloads,
    )


def _open_bucket(settings: Settings, *, patience_seconds: float) -> S3Store:
    """What the settings leave out, obstore takes from the machine's role."""
    said: dict[str, Any] = {
        "endpoint": settings.s3_endpoint,
        "region": settings.s3_region,
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": settings.s3_secret_access_key.get_secret_value(),
        "session_token": settings.s3_session_token.get_secret_value(),
    }
    patience = timedelta(seconds=patience_seconds)
    client: ClientConfig = {
        "allow_http": True,  # only an endpoint that says http:// has it
        "timeout": _ONE_FILE,
        "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, patience_seconds)),
        "read_timeout": patience,
    }
    bucket, prefix = check_bucket_url(settings.artifacts_url)
    return S3Store(
        bucket,
        prefix=prefix or None,
        config={name: value for name, value in said.items() if value},  # type: ignore[arg-type]
        client_options=client,
        retry_config={"max_retries": 1_000, "retry_timeout": patience},
    )
