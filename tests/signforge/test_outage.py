"""Clients that have waited for hours survive a database outage of the service."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from core.jobs.database import transaction
from core.jobs.keys import create_api_key
from core.jobs.ledger.submissions import cancel, submit
from core.jobs.settings import Settings
from core.jobs.tables.jobs import JobRow
from core.specs.import_jobs import ImportSpec
from signforge.client import Client
from signforge.client.errors import Unavailable
from signforge.client.event_models import StateEvent
from tests.servers.postgres import Postgres
from tests.signforge.conftest import listening_api

pytestmark = pytest.mark.system
_TRIES_MEANWHILE = 7
"""More than a request that nobody has waited for is worth."""


class Outage:
    """A PostgreSQL that goes away from a service, and comes back after some tries, with the job cancelled."""

    def __init__(self, server: Postgres, engine: Engine, url: str) -> None:
        self._server, self._engine, self._url = server, engine, url
        with transaction(engine) as session:
            self._api_key = create_api_key(session, owner="ada", scopes=["read", "submit"])
            self.job_id = submit(
                session, owner="ada", spec=ImportSpec(name="a", source="b"), resolved=None
            ).id
        self.tries = 0

    def begin(self) -> None:
        self._server.kill()

    def client(self, sleep: Callable[[float], None]) -> Client:
        return Client(self._url, self._api_key, sleep=sleep)

    def sleep(self, seconds: float) -> None:
        """What a client does between tries."""
        self.tries += 1
        if self.tries == _TRIES_MEANWHILE:
            self._server.start()
            with transaction(self._engine) as session:
                cancel(session, session.get_one(JobRow, self.job_id))


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    server = Postgres()
    settings = Settings(data_folder=tmp_path, port=0, database_url=server.url)
    with listening_api(settings) as (_, engine, port):
        yield Outage(server, engine, f"http://127.0.0.1:{port}")
    server.close()


def test_a_watcher_sees_every_event_once(outage: Outage) -> None:
    with outage.client(outage.sleep) as client:
        events = client.jobs.events(outage.job_id)
        seen = [next(events)]
        outage.begin()
        seen += events
    assert outage.tries >= _TRIES_MEANWHILE
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
    assert isinstance(seen[-1], StateEvent)
    assert seen[-1].data.target == "cancelled"


def test_following_a_log_goes_on(outage: Outage) -> None:
    def sleep(seconds: float) -> None:
        if outage.tries == 0:
            outage.begin()
        outage.sleep(seconds)

    with outage.client(sleep) as client:
        assert list(client.jobs.logs(outage.job_id, follow=True)) == []
        assert outage.tries >= _TRIES_MEANWHILE
        assert client.jobs.get(outage.job_id).state == "cancelled"


def test_a_single_question_gives_up_soon(outage: Outage) -> None:
    pauses: list[float] = []
    outage.begin()
    with outage.client(pauses.append) as client, pytest.raises(Unavailable, match="database"):
        client.jobs.get(outage.job_id)
    assert len(pauses) < _TRIES_MEANWHILE
