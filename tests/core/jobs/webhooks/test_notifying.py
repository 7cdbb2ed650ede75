"""Webhook messages: written with their change, retried, given up, and webhooks disabled and enabled."""

from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Engine, event, text

from core.jobs.database import now, reading, transaction
from core.jobs.ledger.submissions import cancel
from core.jobs.states import State
from core.jobs.tables.access import WebhookDeliveryRow, WebhookRow
from core.jobs.tables.jobs import JobRow
from core.jobs.webhooks.deliveries import OutgoingMessage, Result, prune, record, take, wait_after, waiting
from core.jobs.webhooks.notifying import TEST, add_message, create_webhook, delete_webhook, rotate_secret
from tests.core.jobs.arranging import hold, queue

PATIENCE = timedelta(days=3)
OK, DOWN = Result(200), Result(500, "The receiver responded with status 500.")


@pytest.fixture
def webhook(engine: Engine) -> str:
    return make(engine)


def make(engine: Engine, owner: str = "ada") -> str:
    with transaction(engine) as session:
        return create_webhook(session, owner=owner, url="https://example.org/hook").id


def messages(engine: Engine) -> list[WebhookDeliveryRow]:
    with reading(engine) as session:
        return session.query(WebhookDeliveryRow).order_by("created_at", "id").all()


def look(engine: Engine, webhook_id: str) -> WebhookRow:
    with reading(engine) as session:
        return session.get_one(WebhookRow, webhook_id)


def attempt(engine: Engine, webhook_id: str, result: Result) -> OutgoingMessage:
    with transaction(engine) as session:
        outgoing = take(session, webhook_id)
    assert outgoing is not None
    with transaction(engine) as session:
        record(session, outgoing, result, patience=PATIENCE, random=Random(0))
    return outgoing


def age(engine: Engine, days: float) -> None:
    """Let time pass for messages and for what is said of their webhooks."""
    earlier = timedelta(days=days)
    with transaction(engine) as session:
        for row in session.query(WebhookDeliveryRow):
            row.created_at -= earlier
            row.next_at = row.next_at and row.next_at - earlier
        for webhook in session.query(WebhookRow):
            webhook.failing_since = webhook.failing_since and webhook.failing_since - earlier


def test_every_change_of_state_is_written_down_for_its_owner_only(engine: Engine, webhook: str) -> None:
    make(engine, owner="ben")
    claimed = hold(engine, state=State.CANCELLING)
    told = messages(engine)
    assert [(row.webhook_id, row.type) for row in told] == [(webhook, "job.state")] * 4
    data = [row.payload["data"] for row in told]
    assert [(each["from"], each["to"]) for each in data] == [
        (None, "queued"),
        ("queued", "starting"),
        ("starting", "running"),
        ("running", "cancelling"),
    ]
    assert {each["job_id"] for each in data} == {claimed.job_id}
    assert [each["sequence"] for each in data] == [1, 2, 3, 4]
    assert told[0].payload["timestamp"].endswith("Z")


def test_a_change_that_is_undone_tells_nobody(engine: Engine, webhook: str) -> None:
    job_id = queue(engine)

    def change_your_mind() -> None:
        with transaction(engine) as session:
            cancel(session, session.get_one(JobRow, job_id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_your_mind()
    assert len(messages(engine)) == 1


def test_without_webhooks_a_change_costs_one_look_at_an_index(sqlite_engine: Engine) -> None:
    job_id, asked = queue(sqlite_engine), []

    def listen(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    event.listen(sqlite_engine, "before_cursor_execute", listen)
    with transaction(sqlite_engine) as session:
        cancel(session, session.get_one(JobRow, job_id))
    event.remove(sqlite_engine, "before_cursor_execute", listen)
    (look_up,) = [statement for statement in asked if "webhook" in statement]
    with sqlite_engine.begin() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {look_up.replace('?', ':o')}"), {"o": "ada"})
        assert "USING INDEX ix_webhooks_page (owner=?)" in str(plan.all())


def test_one_sender_takes_a_message_and_its_id_stays(engine: Engine, webhook: str) -> None:
    queue(engine)
    with transaction(engine) as session:
        assert waiting(session) == [(webhook, "ada")]
        first = take(session, webhook)
    with transaction(engine) as session:
        assert waiting(session) == []
        assert take(session, webhook) is None, "it is being sent"
    age(engine, 1)  # its sender died
    second = attempt(engine, webhook, OK)
    assert first is not None
    assert (first.id, first.body) == (second.id, second.body)
    assert (first.attempt, second.attempt) == (1, 2)
    with transaction(engine) as session:
        record(session, first, DOWN, patience=PATIENCE, random=Random(0))  # the first was not dead, but slow
    (row,) = messages(engine)
    assert (row.state, row.attempts, row.status, row.next_at) == ("delivered", 2, 200, None)


def test_a_failure_waits_longer_each_time_and_is_given_up_in_the_end(engine: Engine, webhook: str) -> None:
    queue(engine)
    attempt(engine, webhook, DOWN)
    (row,) = messages(engine)
    assert (row.state, row.status, row.error) == ("pending", 500, "The receiver responded with status 500.")
    with transaction(engine) as session:
        assert row.next_at is not None
        assert 0 < (row.next_at - now(session)).total_seconds() < 10
    age(engine, 1)
    attempt(engine, webhook, DOWN)
    age(engine, 2)
    attempt(engine, webhook, DOWN)
    (row,) = messages(engine)
    assert (row.state, row.attempts, row.next_at) == ("failed", 3, None)


def test_waits_grow_to_a_day_and_differ() -> None:
    random = Random(1)
    waits = [wait_after(attempts, random).total_seconds() for attempts in range(1, 30)]
    assert all(0.75 * 5 * 3**index <= wait for index, wait in enumerate(waits[:9]))
    assert all(wait <= 1.25 * 5 * 3**index for index, wait in enumerate(waits[:9]))
    assert set(waits[12:]) == {86_400.0}
    assert wait_after(3, random) != wait_after(3, random)


def test_days_of_failure_disable_it_and_a_test_that_arrives_enables_it_again(
    engine: Engine, webhook: str
) -> None:
    queue(engine)
    attempt(engine, webhook, DOWN)
    assert look(engine, webhook).failing_since is not None
    age(engine, 4)
    queue(engine)
    queue(engine)
    attempt(engine, webhook, DOWN)
    row = look(engine, webhook)
    assert row.disabled_at is not None
    assert "All deliveries have failed since" in str(row.disabled_reason)
    assert {message.state for message in messages(engine)} == {"failed"}
    queue(engine)
    assert len(messages(engine)) == 3, "it is told nothing any more"
    for result, enabled in ((DOWN, False), (OK, True)):
        with transaction(engine) as session:
            add_message(session, webhook, TEST, {}, at=now(session))
        attempt(engine, webhook, result)
        assert (look(engine, webhook).disabled_at is None) == enabled
    queue(engine)
    assert messages(engine)[-1].state == "pending"


def test_success_ends_a_row_of_failures(engine: Engine, webhook: str) -> None:
    queue(engine)
    attempt(engine, webhook, DOWN)
    age(engine, 1)
    attempt(engine, webhook, OK)
    assert look(engine, webhook).failing_since is None


def test_a_receiver_that_is_gone_is_believed_at_once(engine: Engine, webhook: str) -> None:
    queue(engine)
    attempt(engine, webhook, Result(410, "The receiver responded with status 410."))
    assert "410" in str(look(engine, webhook).disabled_reason)


def test_both_secrets_sign_until_the_grace_ends(engine: Engine, webhook: str) -> None:
    old = look(engine, webhook).secret
    with transaction(engine) as session:
        rotate_secret(session, session.get_one(WebhookRow, webhook), grace_seconds=3600)
    new = look(engine, webhook).secret
    queue(engine)
    assert attempt(engine, webhook, OK).secrets == (new, old)
    with transaction(engine) as session:
        rotate_secret(session, session.get_one(WebhookRow, webhook), grace_seconds=0)
    queue(engine)
    assert attempt(engine, webhook, OK).secrets == (look(engine, webhook).secret,)


def test_a_deleted_one_takes_its_messages_along_also_a_late_one(engine: Engine, webhook: str) -> None:
    queue(engine)
    with transaction(engine) as session:
        late = take(session, webhook)
    assert late is not None
    with transaction(engine) as session:
        delete_webhook(session, session.get_one(WebhookRow, webhook))
        add_message(session, webhook, "job.state", {}, at=now(session))  # as if written at the same moment
    with transaction(engine) as session:
        record(session, late, OK, patience=PATIENCE, random=Random(0))
        assert take(session, webhook) is None
    assert messages(engine) == []
    assert look(engine, webhook).secret == ""


def test_the_log_is_kept_for_as_long_as_is_said(engine: Engine, webhook: str) -> None:
    queue(engine)
    attempt(engine, webhook, OK)
    age(engine, 10)
    queue(engine)

    def forget(days: float) -> int:
        with transaction(engine) as session:
            return prune(session, older_than=timedelta(days=days))

    assert forget(11) == 0
    assert forget(9) == 1
    assert [row.state for row in messages(engine)] == ["pending"]
