"""Databases and stores for the tests: SQLite and folders, and real servers for those marked `system`."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from core.jobs.database import open_database
from core.jobs.migration import migrate
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.folder_store import FolderStore
from core.jobs.tables.base import Tables
from tests.core.jobs.kept import bucket_store
from tests.servers.postgres import postgres
from tests.servers.s3 import S3Server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server's own database; it ends with the test session."""
    with postgres() as url:
        yield url


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[Engine]:
    """A new, empty PostgreSQL database."""
    name = f"test_{next(_numbers)}"
    server = open_database(postgres_url)
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = open_database(make_url(postgres_url).set(database=name).render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    server.dispose()


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> Iterator[Engine]:
    """A PostgreSQL database with tables, one for the whole session."""
    engine = open_database(postgres_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(migrated_postgres: Engine) -> Iterator[Engine]:
    """A PostgreSQL database whose tables are empty."""
    yield migrated_postgres
    with migrated_postgres.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(Tables.metadata.tables)}"))


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> Iterator[Engine]:
    """A new, empty SQLite database."""
    engine = open_database(f"sqlite:///{tmp_path / 'signforge.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "signforge.db"
    engine = open_database(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    return file


@pytest.fixture
def sqlite_engine(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Engine]:
    """A SQLite database whose tables are empty."""
    engine = open_database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path)}")
    yield engine
    engine.dispose()


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.system)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """An empty artifact store of either kind."""
    if request.param == "folder":
        return FolderStore(tmp_path / "artifacts")
    server: S3Server = request.getfixturevalue("s3")
    return bucket_store(server, server.make_bucket(), tmp_path / "artifacts")


_BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.system)]


@pytest.fixture(params=_BOTH)
def empty(request: pytest.FixtureRequest) -> Engine:
    """A new, empty database of either kind."""
    engine: Engine = request.getfixturevalue(f"empty_{request.param}")
    return engine


@pytest.fixture(params=_BOTH)
def engine(request: pytest.FixtureRequest) -> Engine:
    """A database of either kind whose tables are empty."""
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return engine
