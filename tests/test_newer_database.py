"""Every program that opens a database refuses one that a newer version has upgraded, in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from core.jobs.database import open_database
from core.jobs.migration import newest_version
from core.jobs.settings import Settings
from tests.servers.migrated import open_migrated

pytestmark = pytest.mark.system

PROGRAMS = {
    "API": ("-m", "api.main"),
    "reconciler": ("-m", "worker.reconciler"),
    "worker": ("-m", "worker.main"),
    "signforge api": ("-m", "signforge", "api"),
    "signforge up": ("-m", "signforge", "up", "--port", "0"),
    "signforge keys bootstrap": ("-m", "signforge", "keys", "bootstrap", "ada"),
    "signforge health": ("-m", "signforge", "health", "worker"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose database has a version of the future."""
    folder = tmp_path_factory.mktemp("newer")
    engine = open_migrated(Settings(data_folder=folder).resolved_database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    return folder


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_refuses_a_newer_database(program: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *PROGRAMS[program]],
        env={**os.environ, "SIGNFORGE_DATA_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if "9999" in line]
    assert len(lines) == 1, done.stderr
    assert f"none newer than {newest_version()}" in lines[0]
    assert "Traceback" not in done.stdout + done.stderr
    engine = open_database(Settings(data_folder=folder).resolved_database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    engine.dispose()
