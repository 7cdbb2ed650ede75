"""What a data folder needs before the service can run on it: a current database and a first API key."""

import os
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from core.errors import StorageError
from core.jobs.database import cannot_be_used, open_database, transaction
from core.jobs.keys import check, create_api_key
from core.jobs.migration import migrate
from core.jobs.settings import Settings
from signforge.client.errors import ServiceError

OWNER = "local"
"""Owner of what the first API key makes."""
_SCOPES = ("read", "submit", "admin")


def prepare(settings: Settings) -> None:
    """Migrate the database and leave a working API key in `settings.api_key_file`. Repeating it is harmless.

    Raises:
        ServiceError: the database cannot be used.
        StorageError: the API key's file cannot be written.
    """
    try:
        engine = open_database(settings.resolved_database_url)
        try:
            _prepare(engine, settings.api_key_file)
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError) as error:
        raise ServiceError(cannot_be_used(settings.resolved_database_url, error)) from None


def _prepare(engine: Engine, api_key_file: Path) -> None:
    migrate(engine)
    with transaction(engine) as session:
        token = _read(api_key_file)
        if token is None or check(session, token) is None:
            _write_private(api_key_file, create_api_key(session, owner=OWNER, scopes=_SCOPES))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def _write_private(path: Path, token: str) -> None:
    """Readable by its owner only, from the first moment, and whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(f"{token}\n")
        os.replace(draft, path)
    except OSError as error:
        raise StorageError(f"Cannot write the API key to {path}: {error.strerror}.") from None
