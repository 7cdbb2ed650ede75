"""What is old enough is forgotten, once an hour, and nothing else."""

from datetime import timedelta

from sqlalchemy import Engine

from core.jobs.access_tables import AuditEntryRow, WebhookDeliveryRow
from core.jobs.audit import Change, record
from core.jobs.database import now, reading, transaction
from core.jobs.settings import Settings
from core.jobs.webhooks import TEST, add_message, create_webhook
from tests.worker.test_reporter import Clock
from worker.pruning import Pruning
from worker.reconciler import Reconciler

SETTINGS = Settings(keep_audit_days=10, keep_deliveries_days=5)


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


def add(engine: Engine, *, days_ago: int) -> None:
    with transaction(engine) as session:
        at = now(session) - timedelta(days=days_ago)
        record(session, Change("cancel_job", str(days_ago), "req_1", 202, "ada", "key_1", None))
        session.query(AuditEntryRow).filter_by(resource=str(days_ago)).one().created_at = at
        webhook = create_webhook(session, owner="ada", url="https://example.org/")
        message = add_message(session, webhook.id, TEST, {"days_ago": days_ago}, at=at)
        message.state, message.next_at = "delivered", None


def ages(engine: Engine) -> tuple[list[int], list[int]]:
    with reading(engine) as session:
        entries = [int(row.resource) for row in session.query(AuditEntryRow)]
        messages = [row.payload["data"]["days_ago"] for row in session.query(WebhookDeliveryRow)]
    return sorted(entries), sorted(messages)
