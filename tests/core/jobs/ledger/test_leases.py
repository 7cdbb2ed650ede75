"""Leases: claim, renew and reap. No job has two holders, and no job is lost."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from core.errors import LeaseLost
from core.jobs.database import now, reading, transaction
from core.jobs.ledger.fence import Lease
from core.jobs.ledger.leases import Claim, Desired, claim, desired, held_claim, reap, renew
from core.jobs.ledger.leases import expire as expire_deadlines
from core.jobs.states import State
from core.jobs.tables.jobs import JobAttemptRow, JobRow, OutboxRow
from core.jobs.workers import Capacity
from tests.core.jobs.arranging import POLICY, SPEC, claim_next, events, expire, hold, job, queue, set_fields


def test_a_claim_says_what_to_do(engine: Engine) -> None:
    job_id = queue(engine)
    claimed = claim_next(engine)
    assert claimed is not None
    assert (claimed.job_id, claimed.attempt, claimed.kind, claimed.owner) == (job_id, 1, "pretrain", "ada")
    assert claimed.spec == SPEC.model_dump(mode="json")
    row = job(engine, job_id)
    assert (row.state, row.lease_token, row.worker) == ("starting", claimed.lease_token, "wrk")
    with reading(engine) as session:
        assert session.get(OutboxRow, job_id) is None
        assert session.get_one(JobAttemptRow, (job_id, 1)).ended_at is None
        assert held_claim(session, claimed.lease) == claimed
    assert claim_next(engine) is None


def test_the_order_is_priority_then_fair_share_then_first_come(engine: Engine) -> None:
    ada1, ada2 = queue(engine, owner="ada"), queue(engine, owner="ada")
    bob, urgent = queue(engine, owner="bob"), queue(engine, owner="ada", priority=5)
    order = [claimed.job_id for claimed in iter(lambda: claim_next(engine), None)]
    assert order == [urgent, bob, ada1, ada2]


def test_a_job_that_waits_is_passed_over(engine: Engine) -> None:
    waits, ready = queue(engine), queue(engine)
    with transaction(engine) as session:
        session.get_one(JobRow, waits).not_before = now(session) + timedelta(seconds=60)
    claimed = claim_next(engine)
    assert claimed is not None
    assert claimed.job_id == ready
    assert claim_next(engine) is None


def test_a_worker_claims_what_it_can_do(engine: Engine) -> None:
    wide = queue(engine, resolved={"run": {"num_devices": 4, "device": "auto"}})
    on_cuda = queue(engine, resolved={"run": {"num_devices": "auto", "device": "cuda"}})
    anywhere = queue(engine)

    def next_for(capacity: Capacity) -> str | None:
        with transaction(engine) as session:
            claimed = claim(session, "wrk", 60, capacity=capacity)
        return claimed.job_id if claimed else None

    assert next_for(Capacity("cpu", 2)) == anywhere
    assert next_for(Capacity("cpu", 2)) is None
    assert next_for(Capacity("cuda", 1)) == on_cuda
    assert next_for(Capacity("cpu", 4)) == wide


def test_a_job_of_an_unknown_kind_waits_uncharged_for_a_worker_that_knows_it(engine: Engine) -> None:
    newer = queue(engine, priority=1)
    set_fields(engine, newer, kind="newer")
    known = queue(engine)
    claimed = claim_next(engine)
    assert claimed is not None
    assert claimed.job_id == known
    assert claim_next(engine) is None
    row = job(engine, newer)
    assert (row.state, row.attempt, row.charged_attempts) == ("queued", 0, 0)
    with transaction(engine) as session:
        upgraded = claim(session, "wrk", 60, capacity=Capacity(kinds=frozenset({"newer"})))
    assert upgraded is not None
    assert upgraded.job_id == newer


def test_the_next_job_is_found_in_the_index_alone(sqlite_engine: Engine) -> None:
    """The specifications of a long queue are not read."""
    asked = list[tuple[str, Any]]()

    def listen(*arguments: Any) -> None:
        asked.append((arguments[2], arguments[3]))

    event.listen(sqlite_engine, "before_cursor_execute", listen)
    claim_next(sqlite_engine)
    event.remove(sqlite_engine, "before_cursor_execute", listen)
    (look_up,) = [(sql, given) for sql, given in asked if "ORDER BY jobs.priority" in sql]
    with sqlite_engine.begin() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {look_up[0]}", look_up[1]).all())
    assert plan.count("SEARCH jobs") == plan.count("SEARCH jobs USING COVERING INDEX ix_jobs_claim") == 2
    assert "SCAN jobs" not in plan


def test_shares_are_fair_however_many_ask_at_once(engine: Engine) -> None:
    owners = [f"owner {number}" for number in range(4)]
    for owner in owners:
        for _ in range(6):
            queue(engine, owner=owner)
    ready = threading.Barrier(8)

    def grab() -> list[Claim | None]:
        ready.wait()
        return [claim_next(engine) for _ in range(2)]

    with ThreadPoolExecutor(8) as pool:
        claims = [each for future in [pool.submit(grab) for _ in range(8)] for each in future.result()]
    assert Counter(each.owner for each in claims if each) == dict.fromkeys(owners, 4)


def test_an_owner_runs_no_more_than_allowed_however_many_ask_at_once(engine: Engine) -> None:
    for _ in range(6):
        queue(engine, owner="ada")
    bob = queue(engine, owner="bob", priority=-1)
    claims: list[Claim] = []

    def grab() -> None:
        with transaction(engine) as session:
            claimed = claim(session, "wrk", 60, max_running_per_owner=2)
        if claimed is not None:
            claims.append(claimed)

    threads = [threading.Thread(target=grab) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(claimed.owner for claimed in claims) == {"ada": 2, "bob": 1}
    assert bob in {claimed.job_id for claimed in claims}


def test_a_job_past_its_deadline_is_not_claimed_and_fails(engine: Engine) -> None:
    late, paused, patient = (
        queue(engine, deadline=1e-6),
        queue(engine, deadline=1e-6),
        queue(engine, deadline=90),
    )
    set_fields(engine, paused, state=State.PAUSED)
    claimed = claim_next(engine)
    assert claimed is not None
    assert claimed.job_id == patient
    assert claimed.seconds_left == pytest.approx(90, abs=20)
    with transaction(engine) as session:
        assert expire_deadlines(session) == [late, paused]
        assert expire_deadlines(session) == []
    for job_id in (late, paused):
        row = job(engine, job_id)
        assert (row.state, row.status_reason) == ("failed", "deadline_exceeded")
        assert row.finished_at is not None
    assert "paused when its deadline passed" in str(job(engine, paused).status_message)


@pytest.mark.parametrize(("num_claimants", "owners"), [(24, "abcde"), (100, "a")])
def test_many_claimants_never_share_a_job(engine: Engine, num_claimants: int, owners: str) -> None:
    jobs = [queue(engine, owner=owner) for owner in owners]
    ready = threading.Barrier(num_claimants)
    claims: list[Claim] = []

    def grab() -> None:
        ready.wait()
        while (claimed := claim_next(engine)) is not None:
            claims.append(claimed)

    threads = [threading.Thread(target=grab) for _ in range(num_claimants)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(claimed.job_id for claimed in claims) == Counter(jobs)
    assert len({claimed.lease_token for claimed in claims}) == len(jobs)
    assert all(job(engine, claimed.job_id).lease_token == claimed.lease_token for claimed in claims)


def test_renewing_extends_the_lease_and_tells_what_is_desired(engine: Engine) -> None:
    wishes = {State.RUNNING: Desired.RUN, State.CANCELLING: Desired.CANCEL, State.PAUSING: Desired.PAUSE}
    for state, wish in wishes.items():
        claimed = hold(engine, state=state)
        before = job(engine, claimed.job_id)
        with transaction(engine) as session:
            assert desired(session, claimed.lease) == wish
            assert renew(session, claimed.lease, 1_000) == wish
            soon = now(session) + timedelta(seconds=900)
        after = job(engine, claimed.job_id)
        assert after.lease_expires_at is not None
        assert after.lease_expires_at > soon
        assert after.version == before.version


@pytest.mark.parametrize("change", [{"token": "other"}, {"attempt": 2}, {"job_id": "job_none"}])
def test_another_lease_is_worth_nothing(engine: Engine, change: dict[str, object]) -> None:
    claimed = hold(engine)
    fields = {"job_id": claimed.job_id, "attempt": claimed.attempt, "token": claimed.lease_token, **change}
    lease = Lease(**fields)  # type: ignore[arg-type]
    for look in (held_claim, desired, lambda session, lease: renew(session, lease, 60)):
        with pytest.raises(LeaseLost), transaction(engine) as session:
            look(session, lease)


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (State.STARTING, State.QUEUED),
        (State.RUNNING, State.QUEUED),
        (State.CANCELLING, State.CANCELLED),
        (State.PAUSING, State.PAUSED),
    ],
)
def test_reaping(engine: Engine, state: State, becomes: State) -> None:
    claimed = hold(engine, state=state)
    with transaction(engine) as session:
        assert reap(session, POLICY) == []
    expire(engine, claimed)
    with transaction(engine) as session:
        assert reap(session, POLICY) == [(claimed.job_id, becomes)]
    with pytest.raises(LeaseLost), transaction(engine) as session:
        renew(session, claimed.lease, 60)
    with reading(engine) as session:
        attempt = session.get_one(JobAttemptRow, (claimed.job_id, 1))
        assert attempt.ended_at is not None
    row = job(engine, claimed.job_id)
    assert row.charged_attempts == int(becomes == State.QUEUED)
    with transaction(engine) as session:
        assert reap(session, POLICY) == []


def test_each_reaping_waits_longer_and_the_last_one_fails_the_job(engine: Engine) -> None:
    job_id = queue(engine)
    waits = []
    for _ in range(POLICY.max_attempts):
        set_fields(engine, job_id, not_before=None)
        claimed = claim_next(engine)
        assert claimed is not None
        expire(engine, claimed)
        with transaction(engine) as session:
            reap(session, POLICY)
            before = now(session)
        row = job(engine, job_id)
        if row.not_before is not None:
            waits.append((row.not_before - before).total_seconds())
    assert waits == pytest.approx([2.0, 4.0], abs=0.5)
    assert (row.state, row.status_reason) == ("failed", "worker_lost")
    assert "3 attempts" in str(row.status_message)
    assert events(engine, job_id)[-1].data["to"] == "failed"


def test_two_reapers_do_not_reap_twice(engine: Engine) -> None:
    claims = [hold(engine) for _ in range(6)]
    for claimed in claims:
        expire(engine, claimed)
    reaped: list[tuple[str, State]] = []

    def go() -> None:
        with transaction(engine) as session:
            reaped.extend(reap(session, POLICY))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(job_id for job_id, _ in reaped) == Counter(claimed.job_id for claimed in claims)


def test_a_claim_names_its_worker(engine: Engine) -> None:
    queue(engine)
    with transaction(engine) as session:
        claimed = claim(session, "another worker", 60)
    assert claimed is not None
    assert job(engine, claimed.job_id).worker == "another worker"
