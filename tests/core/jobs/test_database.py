"""Migrations, transactions and the clock, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core.jobs import database
from core.jobs.database import now, reading, transaction
from core.jobs.identifiers import new_id
from core.jobs.migration import migrate
from core.jobs.tables.artifacts import UploadRow
from tests.servers.starting import wait_for


def test_a_message_about_a_database_shows_no_password() -> None:
    url = "postgresql+psycopg://ada:secret@h/d?sslpassword=secret"
    told = database.cannot_be_used(url, OSError("it is away\nfor long"))
    assert told == (
        "The database postgresql+psycopg://ada:***@h/d cannot be used: it is away. "
        "Check SIGNFORGE_DATABASE_URL."
    )


def test_a_transaction_is_all_or_nothing(engine: Engine) -> None:
    def interrupted() -> None:
        with transaction(engine) as session:
            session.add(_upload(datetime.now(UTC)))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    with reading(engine) as session:
        assert session.query(UploadRow).count() == 0


def test_times_come_back_in_utc(engine: Engine) -> None:
    moment = datetime.fromisoformat("2026-03-04T05:06:07.000008+02:00")
    with transaction(engine) as session:
        session.add(_upload(moment))
    with reading(engine) as session:
        stored = session.query(UploadRow).one().created_at
    assert stored == moment
    assert stored.utcoffset() == timedelta(0)


def test_the_clock_is_aware_and_moves_within_a_transaction(engine: Engine) -> None:
    with transaction(engine) as session:
        first, second = now(session), now(session)
    assert first.utcoffset() == timedelta(0)
    assert first < second < first + timedelta(seconds=10)
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=10)


def test_foreign_keys_are_enforced(engine: Engine) -> None:
    statement = text("INSERT INTO outbox (job_id, ring_at, rings) VALUES ('job_none', '2026-01-01', 0)")
    with pytest.raises(IntegrityError), transaction(engine) as session:
        session.execute(statement)


def test_sqlite_is_durable_and_lets_readers_pass_a_writer(empty_sqlite: Engine) -> None:
    migrate(empty_sqlite)
    with transaction(empty_sqlite) as writer:
        writer.add(_upload(datetime.now(UTC)))
        writer.flush()
        with reading(empty_sqlite) as reader:
            assert reader.query(UploadRow).count() == 0
            assert reader.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert reader.execute(text("PRAGMA synchronous")).scalar_one() == 2


def _upload(at: datetime) -> UploadRow:
    return UploadRow(
        id=new_id("upl"), owner="ada", filename="a", location="a", size_bytes=2**40, sha256="", created_at=at
    )


@pytest.mark.system
def test_postgres_ends_a_client_that_vanished_in_the_middle_of_a_transaction(postgres_engine: Engine) -> None:
    """Else its locks, of which the one around claims is everybody's, would be held for hours."""
    with postgres_engine.connect() as connection:
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "30s"


@pytest.mark.system
def test_whoever_slept_in_a_transaction_finds_the_server_away(empty_postgres: Engine) -> None:
    migrate(empty_postgres)
    with pytest.raises(OperationalError), transaction(empty_postgres) as session:
        _sleep_too_long(session, empty_postgres)
    with transaction(empty_postgres) as session:
        assert now(session).tzinfo is UTC


def _sleep_too_long(session: Session, engine: Engine) -> None:
    backend = {"pid": session.execute(text("SELECT pg_backend_pid()")).scalar_one()}
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '20ms'"))

    def is_gone() -> bool:
        with engine.connect() as connection:
            these = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
            return connection.execute(these, backend).scalar_one() == 0

    wait_for(is_gone, within_seconds=10, what="the end of a transaction that nobody goes on with")
    now(session)


@pytest.mark.system
def test_times_are_utc_whatever_the_server_thinks(empty_postgres: Engine) -> None:
    migrate(empty_postgres)
    at = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    with transaction(empty_postgres) as session:
        session.execute(text("SET LOCAL TIME ZONE 'Europe/Berlin'"))
        session.add(
            UploadRow(
                id="upl_1", owner="ada", filename="a", location="a", size_bytes=1, sha256="d", created_at=at
            )
        )
        session.flush()
        session.expire_all()
        assert session.get_one(UploadRow, "upl_1").created_at.isoformat() == "2026-07-01T12:30:00+00:00"
        assert now(session).utcoffset() == timedelta()
