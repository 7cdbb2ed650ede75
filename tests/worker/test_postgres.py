"""The same service on PostgreSQL, with database outages."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.servers.service import PROGRAM, Service
from tests.servers.starting import wait_for
from tests.worker.programs.counting import expected_weights

pytestmark = [pytest.mark.system, pytest.mark.slow]
DATABASE = "signforge_service"


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the server that is not to the service's database."""
    url = make_url(postgres_url)
    with psycopg.connect(host=str(url.query["host"]), user="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
        yield connection
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
def service(
    folder: Path, postgres_url: str, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """A service on PostgreSQL."""
    url = make_url(postgres_url).set(database=DATABASE).render_as_string(hide_password=False)
    made = Service(folder, SIGNFORGE_DATABASE_URL=url)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop_everything()


def test_a_job_survives_the_program_and_the_database_going_away(
    service: Service, admin: psycopg.Connection
) -> None:
    service.start()
    job_id = service.submit(steps=100, step_seconds=0.05, fault="killed", at_step=12, until_attempt=2)
    service.wait_for_step(job_id, 40)
    _cut_off(admin)
    gone_at = time.monotonic()
    wait_for(lambda: time.monotonic() - gone_at > 2, within_seconds=5, what="two seconds")
    admin.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")
    service.engine.dispose()
    row = service.wait_for_state(job_id, "succeeded")
    assert (row.attempt, row.charged_attempts) == (2, 1)
    assert service.weights(job_id) == expected_weights(100)
    steps = [event.data["step"] for event in service.events(job_id, "checkpoint")]
    assert set(range(45, 101, 5)) <= set(steps), "what was saved while the database was away is committed"


def test_a_holder_that_cannot_renew_stops_before_its_lease_is_out(
    service: Service, admin: psycopg.Connection
) -> None:
    service.start()
    job_id = service.submit(steps=100_000, step_seconds=0.05)
    service.wait_for_step(job_id, 5)
    _cut_off(admin)
    gone_at = time.monotonic()
    service.wait_for_no_process(PROGRAM)
    assert time.monotonic() - gone_at < service.settings.lease_seconds
    admin.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")
    service.engine.dispose()
    wait_for(lambda: service.job(job_id).attempt == 2, within_seconds=40, what="a second attempt")
    assert service.attempts(job_id)[0].outcome == "worker_lost"
    service.cancel(job_id)
    service.wait_for_state(job_id, "cancelled")


def _cut_off(admin: psycopg.Connection) -> None:
    admin.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [DATABASE])
