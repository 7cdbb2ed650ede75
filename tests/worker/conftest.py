"""A service of real processes, with short timeouts."""

import shutil
import tempfile
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
from tests.servers.service import Service


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short name, since a unix socket's path may not be long."""
    short = Path(tempfile.mkdtemp(prefix="sf"))
    yield short
    shutil.rmtree(short, ignore_errors=True)


@pytest.fixture
def service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service on SQLite, of which nothing runs yet; at the end nothing of it runs any more."""
    made = Service(folder)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop_everything()
