"""Old rows are deleted once an hour, and no others."""

from datetime import timedelta

from sqlalchemy import Engine

from core.jobs.audit_trail import Change, record
from core.jobs.database import now, reading, transaction
from core.jobs.settings import Settings
from core.jobs.tables.access import AuditEntryRow, IdempotencyKeyRow, WebhookDeliveryRow
from core.jobs.tables.jobs import WorkerRow
from core.jobs.webhooks.notifying import TEST, add_message, create_webhook
from core.jobs.workers import Capacity, heartbeat
from tests.worker.attempt.test_reporter import Clock
from worker.reconciler import Reconciler
from worker.upkeep.pruning import Pruning

SETTINGS = Settings(keep_audit_trail_days=10, keep_deliveries_days=5)


def test_old_entries_and_messages_are_forgotten(sqlite_engine: Engine) -> None:
    clock = Clock()
    pruning = Pruning(sqlite_engine, SETTINGS, clock=clock)
    reconciler = Reconciler(sqlite_engine, SETTINGS, lambda _: None, clock=clock, pruning=pruning)
    for days in (1, 7, 20):
        add(sqlite_engine, days_ago=days)
    reconciler.round()
    assert ages(sqlite_engine) == ([1, 7], [1])
    add(sqlite_engine, days_ago=20)
    reconciler.round()
    assert ages(sqlite_engine) == ([1, 7, 20], [1, 20]), "not in every round"
    clock.time += 3601
    reconciler.round()
    assert ages(sqlite_engine) == ([1, 7], [1])


def test_keys_and_workers_of_long_ago_are_forgotten(sqlite_engine: Engine) -> None:
    with transaction(sqlite_engine) as session:
        for days_ago in (0, 2, 40):
            at = now(session) - timedelta(days=days_ago)
            key = IdempotencyKeyRow(owner="ada", key=f"k{days_ago}", request_sha256="d", resource_id="job_1")
            key.created_at = at
            session.add(key)
            heartbeat(session, f"w{days_ago}", host="here", process_id=1, capacity=Capacity())
            session.get_one(WorkerRow, f"w{days_ago}").seen_at = at
    Pruning(sqlite_engine, SETTINGS, clock=Clock()).round()
    with reading(sqlite_engine) as session:
        assert sorted(row.key for row in session.query(IdempotencyKeyRow)) == ["k0", "k2"]
        assert [row.name for row in session.query(WorkerRow)] == ["w0"]


def add(engine: Engine, *, days_ago: int) -> None:
    with transaction(engine) as session:
        at = now(session) - timedelta(days=days_ago)
        record(session, [Change("cancel_job", str(days_ago), "req_1", 202, "ada", "key_1", None)])
        session.query(AuditEntryRow).filter_by(resource=str(days_ago)).one().created_at = at
        webhook = create_webhook(session, owner="ada", url="https://example.org/")
        message = add_message(session, webhook.id, TEST, {"days_ago": days_ago}, at=at)
        message.state, message.next_at = "delivered", None


def ages(engine: Engine) -> tuple[list[int], list[int]]:
    with reading(engine) as session:
        entries = [int(row.resource) for row in session.query(AuditEntryRow)]
        messages = [row.payload["data"]["days_ago"] for row in session.query(WebhookDeliveryRow)]
    return sorted(entries), sorted(messages)
