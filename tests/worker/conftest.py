"""A service of real processes, with short timeouts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.jobs.conftest import (  # noqa: F401 - fixtures
    engine,
    migrated_postgres,
    migrated_sqlite,
    postgres_engine,
    postgres_url,
    sqlite_engine,
    store,
)
from tests.servers.folders import short_folder
from tests.servers.service import Service


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder for one service."""
    with short_folder() as short:
        yield short


@pytest.fixture
def service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on SQLite, of which nothing runs yet; at the end nothing of it runs any more."""
    with Service(folder) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
