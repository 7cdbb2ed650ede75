import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs.database import open_database, reading
from core.jobs.keys import check
from core.jobs.settings import Settings

pytestmark = pytest.mark.system


def test_the_first_key_of_a_service_elsewhere(tmp_path: Path) -> None:
    """On a database that nobody has used yet."""
    environment = {**os.environ, "SIGNFORGE_DATA_FOLDER": str(tmp_path)}
    command = [sys.executable, "-m", "signforge", "keys", "bootstrap"]
    made = subprocess.run([*command, "anna"], env=environment, capture_output=True, text=True, check=True)
    engine = open_database(Settings(data_folder=tmp_path).resolved_database_url)
    with reading(engine) as session:
        row = check(session, made.stdout.strip())
        assert row is not None
        assert (row.owner, row.scopes) == ("anna", ["admin"])
    engine.dispose()
    wrong = subprocess.run(
        [*command, "anna", "--scope", "all"], env=environment, capture_output=True, check=False
    )
    assert wrong.returncode == 2
    assert b"'all' is not one of" in wrong.stderr


def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/x"
    environment = {**os.environ, "SIGNFORGE_DATABASE_URL": url}
    command = [sys.executable, "-m", "signforge", "keys", "bootstrap", "anna"]
    tried = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (tried.returncode, tried.stdout) == (1, "")
    named = "Error: The database postgresql+psycopg://me:***@127.0.0.1:1/x cannot be used: "
    assert tried.stderr.startswith(named)
    assert tried.stderr.endswith("Check SIGNFORGE_DATABASE_URL.\n")
