"""Migrations: one way to the newest tables from every older version, and nothing in them is lost."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from core.errors import DatabaseTooNew
from core.jobs import migration
from core.jobs.database import reading, transaction
from core.jobs.ledger.fence import Lease
from core.jobs.ledger.leases import Desired, claim, renew
from core.jobs.ledger.outcomes import fail
from core.jobs.ledger.reports import report_progress
from core.jobs.migration import alembic_config, is_current, migrate, newest_version, refuse_newer
from core.jobs.states import Reason, State
from core.jobs.tables.access import WebhookDeliveryRow
from core.jobs.tables.artifacts import CorpusRow, EvaluationRow
from core.jobs.tables.base import Tables
from core.jobs.tables.jobs import JobRow


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
    place.symlink_to(Path(migration.__file__).parent)
    monkeypatch.setattr(migration, "_MIGRATIONS", place / "migrations")
    migrate(empty)
    assert is_current(empty)


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


def test_the_newest_version_is_alembics(empty: Engine) -> None:
    with empty.connect() as connection:
        script = ScriptDirectory.from_config(alembic_config(connection))
    assert script.get_heads() == [newest_version()]


def test_partial_indexes_leave_out_what_their_tables_say(empty: Engine) -> None:
    migrate(empty)
    key = f"{empty.dialect.name}_where"
    found = {
        index["name"]: index.get("dialect_options", {}).get(key)
        for table in Tables.metadata.tables
        for index in inspect(empty).get_indexes(table)
    }
    said = {
        index.name: index.info["where"]
        for table in Tables.metadata.tables.values()
        for index in table.indexes
        if "where" in index.info
    }
    assert {name: str(where).strip("()") for name, where in found.items() if where is not None} == said
    assert len(said) == 2


AT_WORK = (
    ("job_run", "running", 1, "'token-1'", "'wrk'"),
    ("job_wait", "queued", 0, "NULL", "NULL"),
)


def fill_first_tables(connection: Connection) -> None:
    """Jobs of the oldest version: one that a worker holds, with a checkpoint, and one that waits."""
    spec = '{"kind": "pretrain", "corpus": "cor_1", "recipe": "smoke", "name": "old"}'
    for job_id, state, attempt, token, worker in AT_WORK:
        insert = text(
            "INSERT INTO jobs (id, owner, kind, spec, state, priority, version, last_event, attempt,"
            " charged_attempts, lease_token, lease_expires_at, worker, created_at, updated_at)"
            f" VALUES (:id, 'ada', 'pretrain', :spec, :state, 0, 1, 0, :attempt, 0, {token},"
            f" {'NULL' if state == 'queued' else ':expires'}, {worker}, :at, :at)"
        )
        at = datetime(2026, 1, 1, tzinfo=UTC)
        values = {"id": job_id, "spec": spec, "state": state, "attempt": attempt, "at": at}
        if state != "queued":
            values["expires"] = datetime.now(UTC) + timedelta(minutes=5)
        connection.execute(insert, values)
    connection.execute(
        text(
            "INSERT INTO job_attempts (job_id, attempt, worker, started_at) VALUES ('job_run', 1, 'wrk', :at)"
        ),
        {"at": at},
    )
    connection.execute(
        text("INSERT INTO outbox (job_id, ring_at, rings) VALUES ('job_wait', :at, 0)"), {"at": at}
    )


def test_an_upgrade_keeps_running_jobs_running_and_queued_jobs_claimable(empty: Engine) -> None:
    with empty.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        fill_first_tables(connection)
    migrate(empty)
    lease = Lease("job_run", 1, "token-1")
    with transaction(empty) as session:
        assert renew(session, lease, 60) == Desired.RUN
        report_progress(session, lease, {"step": 3})
    with transaction(empty) as session:
        claimed = claim(session, "new", 60)
    assert claimed is not None
    assert (claimed.job_id, claimed.attempt, claimed.spec["recipe"]) == ("job_wait", 1, "smoke")
    with transaction(empty) as session:
        assert fail(session, lease, reason=Reason.USER_ERROR, message="enough") == State.FAILED


def test_a_database_of_a_newer_version_is_refused_in_one_sentence(empty: Engine) -> None:
    migrate(empty)
    refuse_newer(empty)
    with empty.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew) as refused:
        migrate(empty)
    said = str(refused.value)
    assert "has schema version 9999" in said
    assert f"none newer than {newest_version()}:" in said
    assert "start the newer version" in said
    assert said.count(". ") == 0
    assert not is_current(empty)


def test_a_newer_program_may_migrate_while_this_one_waits(
    empty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is compared again under the migration's lock."""
    migrate(empty)
    with empty.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    monkeypatch.setattr(migration, "refuse_newer", lambda engine: None)
    with pytest.raises(DatabaseTooNew):
        migrate(empty)
