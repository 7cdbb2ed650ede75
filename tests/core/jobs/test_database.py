"""Migrations, transactions and the clock, on SQLite and PostgreSQL."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core.jobs import database
from core.jobs.database import alembic_config, is_current, migrate, now, reading, transaction
from core.jobs.identifiers import new_id
from core.jobs.tables.access import WebhookDeliveryRow
from core.jobs.tables.artifacts import CorpusRow, EvaluationRow, UploadRow
from core.jobs.tables.base import Tables
from core.jobs.tables.jobs import JobRow
from tests.servers.starting import wait_for


def test_migrating_makes_exactly_the_tables(empty: Engine) -> None:
    assert not is_current(empty)
    migrate(empty)
    assert is_current(empty)
    with empty.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Tables.metadata) == []


def test_the_code_may_lie_below_any_folder(
    empty: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "50% #1?"
    place.symlink_to(Path(database.__file__).parent)
    monkeypatch.setattr(database, "_MIGRATIONS", place / "migrations")
    migrate(empty)
    assert is_current(empty)


def test_a_message_about_a_database_shows_no_password() -> None:
    url = "postgresql+psycopg://ada:secret@h/d?sslpassword=secret"
    told = database.cannot_be_used(url, OSError("it is away\nfor long"))
    assert told == (
        "The database postgresql+psycopg://ada:***@h/d cannot be used: it is away. "
        "Check SIGNFORGE_DATABASE_URL."
    )


def test_migrations_go_down_and_up_again(empty: Engine) -> None:
    engine = empty
    migrate(engine)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    assert not is_current(engine)
    migrate(engine)
    assert is_current(engine)


def test_what_is_in_the_first_tables_survives(empty: Engine) -> None:
    at = "'2026-01-01 00:00:00'"
    with empty.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        for statement in (
            "INSERT INTO jobs (id, owner, kind, spec, state, priority, version, last_event, attempt,"
            " charged_attempts, created_at, updated_at)"
            f" VALUES ('job_1', 'ada', 'import', '{{}}', 'succeeded', 0, 1, 1, 0, 0, {at}, {at})",
            f"INSERT INTO job_events (job_id, sequence, type, data, created_at)"
            f" VALUES ('job_1', 1, 'state', '{{}}', {at})",
            "INSERT INTO corpora (id, owner, name, job_id, location, digest, summary, created_at)"
            f" VALUES ('cor_1', 'ada', 'signs', 'job_1', 'corpora/cor_1', 'd', '{{}}', {at})",
            "INSERT INTO evaluations (id, owner, job_id, corpus_id, features, protocol, folds, scores,"
            " created_at)"
            f" VALUES ('evl_1', 'ada', 'job_1', 'cor_1', 'keypoints', 'knn', 'given', '{{}}', {at})",
        ):
            connection.execute(text(statement))
    migrate(empty)
    with reading(empty) as session:
        assert session.get_one(EvaluationRow, "evl_1").corpus_id == "cor_1"
        assert session.get_one(CorpusRow, "cor_1").name == "signs"
    with transaction(empty) as session, pytest.raises(IntegrityError):
        session.execute(text("DELETE FROM corpora"))  # references are guarded again


def test_an_old_audit_job_becomes_a_leak_audit_and_back(empty: Engine) -> None:
    at = "'2026-01-01 00:00:00'"
    with empty.begin() as connection:
        command.upgrade(alembic_config(connection), "0007")
        for job, kind, result in (
            ("job_1", "audit", '{"audit": {"alarm": true}}'),
            ("job_2", "pretrain", "null"),
        ):
            statement = text(
                "INSERT INTO jobs (id, owner, kind, spec, result, state, priority, version, last_event,"
                " attempt,"
                " charged_attempts, num_devices, created_at, updated_at)"
                f" VALUES (:job, 'ada', :kind, :spec, :result, 'succeeded', 0, 1, 1, 0, 0, 1, {at}, {at})"
            )
            spec = f'{{"kind": "{kind}", "corpus": "cor_1"}}'
            connection.execute(statement, {"job": job, "kind": kind, "spec": spec, "result": result})
    migrate(empty)
    with reading(empty) as session:
        job = session.get_one(JobRow, "job_1")
        assert (job.kind, job.spec["kind"], job.spec["corpus"]) == ("leak_audit", "leak_audit", "cor_1")
        assert job.result == {"leak_audit": {"alarm": True}}
        assert session.get_one(JobRow, "job_2").kind == "pretrain"
    with empty.begin() as connection:
        command.downgrade(alembic_config(connection), "0007")
        row = connection.execute(text("SELECT kind, result FROM jobs WHERE id = 'job_1'")).one()
        assert row.kind == "audit"
        assert "leak_audit" not in str(row.result)


def test_a_message_about_an_old_audit_is_renamed_while_it_waits(empty: Engine) -> None:
    at = "'2026-01-01 00:00:00'"
    with empty.begin() as connection:
        command.upgrade(alembic_config(connection), "0007")
        statement = (
            "INSERT INTO webhooks (id, owner, url, secret, created_at)"
            f" VALUES ('whk_1', 'ada', 'https://a.b', 's', {at})"
        )
        connection.execute(text(statement))
        for message, kind, state in (
            ("msg_1", "audit", "pending"),
            ("msg_2", "audit", "delivered"),
            ("msg_3", "pretrain", "pending"),
        ):
            payload = f'{{"type": "job.state", "data": {{"kind": "{kind}", "job_id": "job_1"}}}}'
            insert = text(
                "INSERT INTO webhook_deliveries (id, webhook_id, type, payload, state, attempts, created_at)"
                f" VALUES (:id, 'whk_1', 'job.state', :payload, :state, 0, {at})"
            )
            connection.execute(insert, {"id": message, "payload": payload, "state": state})
    migrate(empty)
    with reading(empty) as session:
        data = [row.payload["data"] for row in session.query(WebhookDeliveryRow).order_by("id")]
    assert [each["kind"] for each in data] == ["leak_audit", "audit", "pretrain"]
    assert {each["job_id"] for each in data} == {"job_1"}


def test_several_may_migrate_at_once(empty: Engine) -> None:
    failures: list[BaseException] = []

    def attempt() -> None:
        try:
            migrate(empty)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert is_current(empty)


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
