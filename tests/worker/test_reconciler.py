"""The reconciler's rounds: when it rings doorbells and when it reaps leases."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event, text

from core.jobs import counters, workers
from core.jobs.database import now, reading, transaction
from core.jobs.settings import Settings
from core.jobs.tables.jobs import OutboxRow, WorkerRow
from core.jobs.workers import Capacity
from tests.core.jobs.arranging import claim_next, expire, hold, job, queue
from tests.worker.attempt.test_reporter import Clock
from worker.reconciler import Reconciler

SETTINGS = Settings(lease_seconds=90, ring_again_seconds=5, max_attempts=3)


class Bell:
    """A bell that counts, and that is out of order for as long as a test likes."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.broken = False

    @property
    def rings(self) -> int:
        return len(self.heard)

    def __call__(self, num_devices: int) -> None:
        if self.broken:
            raise ConnectionError("no broker")
        self.heard.append(num_devices)


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reconciler(sqlite_engine: Engine, bell: Bell, clock: Clock) -> Reconciler:
    return Reconciler(sqlite_engine, SETTINGS, bell, clock=clock, wall_clock=clock)


def make_due(engine: Engine) -> None:
    with transaction(engine) as session:
        for row in session.query(OutboxRow):
            row.ring_at = row.ring_at.replace(year=2000)


def add_idle_worker(engine: Engine) -> None:
    with transaction(engine) as session:
        workers.heartbeat(session, "wrk", host="here", process_id=1, capacity=Capacity())


def test_every_new_job_rings_once(sqlite_engine: Engine, reconciler: Reconciler, bell: Bell) -> None:
    for _ in range(3):
        queue(sqlite_engine)
    reconciler.round()
    reconciler.round()
    assert bell.rings == 3


def test_a_new_job_rings_between_two_rounds_and_nothing_else_does(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell
) -> None:
    queue(sqlite_engine)
    reconciler.ring_new()
    assert bell.rings == 1
    make_due(sqlite_engine)
    add_idle_worker(sqlite_engine)
    reconciler.ring_new()
    assert bell.rings == 1, "it rings again in a round"
    reconciler.round()
    assert bell.rings == 2


def test_a_database_that_cannot_be_written_is_not_rung_for_again_and_again(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell
) -> None:
    queue(sqlite_engine)

    def forbid_writing(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    event.listen(sqlite_engine, "begin", forbid_writing)
    for _ in range(20):
        reconciler.ring_new()
    assert bell.rings == 1


def test_it_rings_again_only_while_somebody_is_idle(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell
) -> None:
    for _ in range(3):
        queue(sqlite_engine)
    reconciler.round()
    make_due(sqlite_engine)
    reconciler.round()
    assert bell.rings == 3, "nobody would hear it"
    add_idle_worker(sqlite_engine)
    make_due(sqlite_engine)
    reconciler.round()
    assert bell.rings == 4, "one idle worker, one ring: it looks for the other jobs by itself"
    assert claim_next(sqlite_engine) is not None
    make_due(sqlite_engine)
    reconciler.round()
    assert bell.rings == 4, "the worker is busy now"


def test_a_doorbell_for_four_devices_waits_for_a_worker_that_has_them(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell
) -> None:
    queue(sqlite_engine, resolved={"run": {"num_devices": 4}})
    reconciler.round()
    assert bell.heard == [4]
    add_idle_worker(sqlite_engine)
    make_due(sqlite_engine)
    reconciler.round()
    assert bell.heard == [4], "the idle one could not do it"
    with transaction(sqlite_engine) as session:
        workers.heartbeat(session, "big", host="here", process_id=2, capacity=Capacity("cpu", 4))
    make_due(sqlite_engine)
    reconciler.round()
    assert bell.heard == [4, 4]


def test_a_deadline_that_passes_in_the_queue_fails_the_job(
    sqlite_engine: Engine, reconciler: Reconciler
) -> None:
    late, patient = queue(sqlite_engine, deadline=1e-6), queue(sqlite_engine, deadline=3600)
    reconciler.round()
    row = job(sqlite_engine, late)
    assert (row.state, row.status_reason) == ("failed", "deadline_exceeded")
    assert job(sqlite_engine, patient).state == "queued"


def test_a_broker_that_is_away_is_tried_again_and_no_ring_is_lost(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell, clock: Clock
) -> None:
    queue(sqlite_engine)
    bell.broken = True
    reconciler.round()
    bell.broken = False
    reconciler.round()
    assert bell.rings == 0, "not at once"
    clock.time += 1
    reconciler.round()
    assert bell.rings == 1


def test_an_expired_lease_is_reaped_and_its_job_rings(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell
) -> None:
    claimed = hold(sqlite_engine)
    reconciler.round()
    assert job(sqlite_engine, claimed.job_id).state == "running"
    expire(sqlite_engine, claimed)
    reconciler.round()
    assert job(sqlite_engine, claimed.job_id).state == "queued"
    make_due(sqlite_engine)
    reconciler.round()
    assert bell.rings == 1


def test_what_is_done_is_counted_once(sqlite_engine: Engine, clock: Clock, bell: Bell) -> None:
    two = [Reconciler(sqlite_engine, SETTINGS, bell, clock=clock, wall_clock=clock) for _ in range(2)]
    queue(sqlite_engine, deadline=1e-6)
    claimed = hold(sqlite_engine)
    expire(sqlite_engine, claimed)
    for reconciler in (*two, *two):
        reconciler.round()
    make_due(sqlite_engine)
    two[0].round()
    with reading(sqlite_engine) as session:
        counted = counters.values(session)
        seen = counted.pop(counters.RECONCILER_SEEN)
        assert abs(now(session).timestamp() - seen) < 10
    assert counted == {"leases_reaped.queued": 1, "deadlines_passed": 1, "doorbells_rung": 1}


def test_after_an_outage_of_the_database_holders_get_one_more_lease(
    sqlite_engine: Engine, reconciler: Reconciler, clock: Clock
) -> None:
    claimed = hold(sqlite_engine)
    expire(sqlite_engine, claimed)
    with sqlite_engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs RENAME TO jobs_elsewhere"))
    reconciler.round()
    with sqlite_engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs_elsewhere RENAME TO jobs"))
    for elapsed in (1, 40, 40):
        clock.time += elapsed
        reconciler.round()
        assert job(sqlite_engine, claimed.job_id).state == "running"
    clock.time += 20
    reconciler.round()
    assert job(sqlite_engine, claimed.job_id).state == "queued"


def test_after_this_machine_slept_holders_get_one_more_lease(
    sqlite_engine: Engine, reconciler: Reconciler, clock: Clock
) -> None:
    claimed = hold(sqlite_engine)
    expire(sqlite_engine, claimed)
    clock.time += 10_000
    reconciler.round()
    assert job(sqlite_engine, claimed.job_id).state == "running"


def test_a_clock_that_was_set_back_delays_no_doorbell(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell, clock: Clock
) -> None:
    reconciler.round()
    queue(sqlite_engine)
    with transaction(sqlite_engine) as session:
        for row in session.query(OutboxRow):
            row.ring_at += timedelta(hours=2)
    clock.time += 31
    reconciler.round()
    assert bell.rings == 1


def test_a_heartbeat_of_before_the_clock_was_set_back_counts_no_more(
    sqlite_engine: Engine, reconciler: Reconciler, bell: Bell
) -> None:
    add_idle_worker(sqlite_engine)
    with transaction(sqlite_engine) as session:
        session.get_one(WorkerRow, "wrk").seen_at += timedelta(hours=2)
    with reading(sqlite_engine) as session:
        assert workers.idle(session, seen_within_seconds=60) == []
