"""Bringing the database to the newest version of its tables.

Every process of the service asks `is_current` at its start, and usually it is. Alembic is loaded only to
migrate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, column, inspect, select, table, text

from core.errors import DatabaseTooNew
from core.jobs.database import reading, shown

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATION_LOCK = 0x5167_0001
"""Key of PostgreSQL's advisory lock around a migration."""
_MIGRATIONS = Path(__file__).parent / "migrations"
_APPLIED = table("alembic_version", column("version_num"))


def migrate(engine: Engine) -> None:
    """Bring the database to the newest version, if it is not; safe when several processes start at once.

    Raises:
        DatabaseTooNew: it has a version that this program does not know.
    """
    if is_current(engine):
        return
    refuse_newer(engine)
    from alembic import command

    with engine.connect() as connection, _with_foreign_keys_at_rest(connection), connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        _refuse_newer(connection)  # again: a newer program may have held the lock
        command.upgrade(alembic_config(connection), "head")
        if engine.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            assert not broken, f"the migration left references to nothing: {broken[:5]}"


def is_current(engine: Engine) -> bool:
    """Whether the database is at the newest version."""
    with reading(engine) as session:
        return _applied(session.connection()) == [newest_version()]


def refuse_newer(engine: Engine) -> None:
    """Check that the database was not upgraded by a newer version of signforge.

    Raises:
        DatabaseTooNew: it was; the message names both versions.
    """
    with reading(engine) as session:
        _refuse_newer(session.connection())


def newest_version() -> str:
    """The version that the last migration makes."""
    return _known_versions()[-1]


def _refuse_newer(connection: Connection) -> None:
    known = _known_versions()
    unknown = [version for version in _applied(connection) if version not in known]
    if unknown:
        raise DatabaseTooNew(
            f"The database {shown(connection.engine.url)} has schema version {', '.join(unknown)}, but this "
            f"signforge knows none newer than {known[-1]}: start the newer version of signforge that upgraded"
            " it, or restore the backup from before the upgrade."
        )


def _applied(connection: Connection) -> list[str]:
    """Versions of the database: one, or none before the first migration."""
    if not inspect(connection).has_table(_APPLIED.name):
        return []
    return [*connection.scalars(select(_APPLIED.c.version_num))]


def _known_versions() -> list[str]:
    """Versions that the migrations make, oldest first: their files are named by number."""
    files = sorted((_MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    return [file.name.partition("_")[0] for file in files]


def alembic_config(connection: Connection) -> "Config":
    """Alembic's configuration for our migrations on an open connection, without an ini file."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))  # an ini file's escape
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _with_foreign_keys_at_rest(connection: Connection) -> Iterator[None]:
    """On SQLite a changed table is made anew and the old one dropped, which other rows may refer to.

    The switch works only between transactions, so it is thrown behind SQLAlchemy's back.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        yield
        return
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")
