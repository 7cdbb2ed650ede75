"""`signforge health` of faulty parts; tests/packaging/test_images.py tests healthy ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs import counters
from core.jobs.database import now, open_database, transaction
from core.jobs.migration import migrate
from core.jobs.settings import Settings

pytestmark = pytest.mark.system


def health(part: str, folder: Path, **settings: str) -> str:
    """What it says on standard error, in one line; its exit code is 1."""
    told = subprocess.run(
        [sys.executable, "-m", "signforge", "health", part],
        env={"SIGNFORGE_DATA_FOLDER": str(folder), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 1), told.stderr
    return told.stderr


def test_an_api_that_does_not_answer(tmp_path: Path) -> None:
    told = health("api", tmp_path, SIGNFORGE_HOST="0.0.0.0", SIGNFORGE_PORT="1")
    assert told.startswith("The API does not respond at http://127.0.0.1:1/healthz: ")


def test_a_worker_that_never_started_and_a_reconciler_that_went_silent(tmp_path: Path) -> None:
    engine = open_database(Settings(data_folder=tmp_path).resolved_database_url)
    migrate(engine)
    with transaction(engine) as session:
        counters.put(session, counters.RECONCILER_SEEN, int(now(session).timestamp()) - 90)
    engine.dispose()
    assert health("worker", tmp_path) == "The worker has not sent a heartbeat to the database yet.\n"
    expected = r"The last heartbeat of the reconciler was \d{2,} s ago; the limit is 60 s\.\n"
    assert re.fullmatch(expected, health("reconciler", tmp_path))


def test_a_database_that_is_away(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/x"
    told = health("worker", tmp_path, SIGNFORGE_DATABASE_URL=url)
    assert told.startswith("The database postgresql+psycopg://me:***@127.0.0.1:1/x cannot be used: ")
