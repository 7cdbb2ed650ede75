"""Opening of the artifact store that the settings name."""

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
"""Timeout of a whole request: obstore's default of 30 s would end long downloads. Read timeouts are short."""


def open_store(settings: Settings) -> ArtifactStore:
    """Return the store that `settings` name: a folder, or a bucket with that folder as working folder."""
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
    """Open the bucket. obstore reads unset options from AWS_... variables or from the machine's role."""
    configured: dict[str, Any] = {
        "endpoint": settings.s3_endpoint,
        "region": settings.s3_region,
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": settings.s3_secret_access_key.get_secret_value(),
        "session_token": settings.s3_session_token.get_secret_value(),
    }
    patience = timedelta(seconds=patience_seconds)
    client: ClientConfig = {
        "allow_http": True,  # used only if the endpoint begins with http://
        "timeout": _ONE_FILE,
        "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, patience_seconds)),
        "read_timeout": patience,
    }
    bucket, prefix = check_bucket_url(settings.artifacts_url)
    return S3Store(
        bucket,
        prefix=prefix or None,
        config={name: value for name, value in configured.items() if value},  # type: ignore[arg-type]
        client_options=client,
        retry_config={"max_retries": 1_000, "retry_timeout": patience},
    )
