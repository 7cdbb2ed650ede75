"""Doorbells over every supported broker: real servers, real kills."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs.database import reading
from core.jobs.tables.jobs import OutboxRow, WorkerRow
from tests.servers.folders import short_folder
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.service import RECONCILER, WORKER, Broker, Service
from tests.servers.starting import wait_for
from tests.servers.valkey import Valkey
from tests.worker.programs.counting import expected_weights
from worker.app import create_app, queue_for
from worker.reconciler import ringer

pytestmark = [pytest.mark.system, pytest.mark.slow]
STEPS = 60
SLOWLY = {"steps": STEPS, "step_seconds": 0.05}
"""About three seconds of counting."""


@pytest.fixture(scope="module", params=["valkey", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """One server of each kind for all tests of this file."""
    with short_folder() as folder:
        made: Broker = (
            RabbitMQ(folder) if request.param == "rabbitmq" else Valkey(folder, folder / "valkey.sock")
        )
        yield made
        made.kill()


@pytest.fixture
def service(folder: Path, broker: Broker, request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service on SQLite with that broker, of which nothing runs yet."""
    made = Service(folder, broker, **getattr(request, "param", {}))
    yield made
    made.stop_everything()
    broker.forget()


@pytest.mark.parametrize("service", [{"SIGNFORGE_RING_AGAIN_SECONDS": "300"}], indirect=True)
def test_a_doorbell_is_heard_at_once_by_an_idle_worker(service: Service) -> None:
    """Also after a job, when the worker has to listen again. The first ring has to do: there is no other."""
    service.start()
    _wait_until_registered(service)
    for _ in range(2):
        job_id = service.submit(steps=STEPS)
        _assert_done_once(service, job_id)
        queued, starting, *_ = service.events(job_id, "state")
        assert (starting.created_at - queued.created_at).total_seconds() < 5
        wait_for(
            lambda: not service.processes("tests.worker.programs.supervisor"), within_seconds=10, what="rest"
        )


def test_a_broker_that_is_killed_in_the_middle_and_started_again_costs_nothing(service: Service) -> None:
    service.start()
    _wait_until_registered(service)
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    service.broker.kill()
    _assert_done_once(service, job_id)
    waiting = service.submit(steps=STEPS)
    service.broker.start()
    _assert_done_once(service, waiting)
    _assert_done_once(service, service.submit(steps=STEPS))


def test_a_broker_that_forgets_everything_costs_nothing(service: Service) -> None:
    """Before a worker is there to hear the doorbell, and while one listens."""
    service.start_module(RECONCILER)
    early = service.submit(steps=STEPS)
    wait_for(lambda: _rings(service, early), within_seconds=20, what="the first ring")
    service.broker.forget()
    service.start_module(WORKER)
    _assert_done_once(service, early)
    service.broker.forget()
    _assert_done_once(service, service.submit(steps=STEPS))


def test_doorbells_rung_again_and_again_do_no_harm_and_a_busy_worker_takes_none(service: Service) -> None:
    service.start()
    _wait_until_registered(service)
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, 10)
    ring, left = ringer(create_app(service.settings)), _waiting(service)
    for _ in range(3):
        ring(1)
    service.wait_for_step(job_id, 30)
    assert _waiting(service) == left + 3, "left to workers that have nothing to do"
    _assert_done_once(service, job_id)
    wait_for(lambda: _waiting(service) == 0, within_seconds=20, what="the answers to all doorbells")
    assert len(service.attempts(job_id)) == 1


def _assert_done_once(service: Service, job_id: str) -> None:
    row = service.wait_for_state(job_id, "succeeded")
    assert (row.attempt, row.charged_attempts) == (1, 0)
    assert service.weights(job_id) == expected_weights(STEPS)


def _wait_until_registered(service: Service) -> None:
    def registered() -> bool:
        with reading(service.engine) as session:
            return session.query(WorkerRow).count() > 0

    wait_for(registered, within_seconds=30, what="the worker's start")


def _rings(service: Service, job_id: str) -> int:
    with reading(service.engine) as session:
        return session.get_one(OutboxRow, job_id).rings


def _waiting(service: Service) -> int:
    """Doorbells that the broker has given to nobody."""
    app = create_app(service.settings)
    queue = app.amqp.queues[queue_for(1)]
    with app.connection_for_read() as connection, connection.channel() as channel:
        again = channel.queue_declare(
            queue.name, durable=True, auto_delete=False, arguments=queue.queue_arguments
        )
        return int(again.message_count)
