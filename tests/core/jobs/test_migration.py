"""Migrations: one way to the newest tables from every older version, and nothing in them is lost."""

import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from core.jobs import migration
from core.jobs.database import reading, transaction
from core.jobs.migration import alembic_config, is_current, migrate, newest_version
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
