"""A database with tables, without a migration: the first one of a session is copied."""

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, make_url

from core.jobs.database import open_database
from core.jobs.migration import migrate


def open_migrated(url: str) -> Engine:
    """Open the database of `url` with the newest tables."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database and not Path(parsed.database).exists():
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        Path(parsed.database).write_bytes(_with_tables())
    engine = open_database(url)
    migrate(engine)
    return engine


@cache
def _with_tables() -> bytes:
    """An SQLite file with tables and without rows."""
    with tempfile.TemporaryDirectory(prefix="sf") as folder:
        file = Path(folder) / "template.db"
        engine = open_database(f"sqlite:///{file}")
        migrate(engine)
        engine.dispose()
        return file.read_bytes()
