"""The API as a process: it migrates, serves, is ready beside a real broker, and stops when asked."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.jobs.database import open_database, transaction
from core.jobs.keys import create_api_key
from core.jobs.ledger.submissions import submit
from core.jobs.settings import Settings
from core.specs.import_jobs import ImportSpec
from tests.servers.starting import start, wait_for
from tests.servers.valkey import Valkey

pytestmark = pytest.mark.system


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_folder=tmp_path)


@pytest.fixture
def broker(settings: Settings, tmp_path: Path) -> Iterator[Valkey]:
    valkey = Valkey(tmp_path, settings.broker_socket)
    yield valkey
    valkey.kill()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    log = tmp_path / "api.log"
    environment = {"SIGNFORGE_DATA_FOLDER": str(tmp_path), "SIGNFORGE_PORT": "0"}
    process = start([sys.executable, "-m", "api.main"], log=log, environment=environment)
    address = re.compile(r"running on (http://\S+)")
    url = wait_for(lambda: address.search(log.read_text()), within_seconds=30, what="the API's start")[1]
    yield process, url
    process.kill()
    process.wait(10)


def test_it_is_ready_and_stops_with_a_stream_open(
    settings: Settings, broker: Valkey, api: tuple["subprocess.Popen[bytes]", str]
) -> None:
    process, url = api
    answer = httpx.get(f"{url}/readyz", timeout=20)
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    broker.kill()
    answer = httpx.get(f"{url}/readyz", timeout=20)
    assert (answer.status_code, answer.json()["checks"]["broker"]["ok"]) == (503, False)
    engine = open_database(settings.resolved_database_url)
    with transaction(engine) as session:
        token = create_api_key(session, owner="ada", scopes=["submit"])
        job_id = submit(session, owner="ada", spec=ImportSpec(name="a", source="upl_1"), resolved=None).id
    engine.dispose()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    with httpx.stream("GET", f"{url}/v1/jobs/{job_id}/events", headers=headers, timeout=20) as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: state"
        process.send_signal(signal.SIGTERM)
        assert not any(line.startswith("event:") for line in lines)
    assert process.wait(5) in (0, -signal.SIGTERM)
