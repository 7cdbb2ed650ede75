"""Brokers with short acknowledgement timeouts: a long job runs once.

With late acknowledgement a job that outlasts Redis' visibility time-out would run again beside itself, and
one that outlasts RabbitMQ's consumer time-out would take its worker down.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from core.jobs.database import reading
from core.jobs.tables.artifacts import EncoderRow
from tests.servers.folders import short_folder
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.service import RECONCILER, Broker, Service
from tests.servers.starting import wait_for
from tests.servers.valkey import Valkey
from tests.worker.programs.counting import expected_weights
from worker.app import create_app
from worker.reconciler import ringer

pytestmark = [pytest.mark.system, pytest.mark.slow]
PATIENCE_SECONDS = 4
STEPS = 60
SLOWLY = {"steps": STEPS, "step_seconds": 3 * PATIENCE_SECONDS / STEPS}
WORKER = "tests.worker.programs.impatient"


@pytest.fixture(params=["valkey", "rabbitmq"])
def service(folder: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service whose broker takes back what was not done with after PATIENCE_SECONDS."""
    with short_folder() as place:
        broker: Broker = (
            RabbitMQ(place, patience_seconds=PATIENCE_SECONDS)
            if request.param == "rabbitmq"
            else Valkey(place, place / "valkey.sock")
        )
        made = Service(folder, broker, IMPATIENT_SECONDS=str(PATIENCE_SECONDS))
        yield made
        made.stop_everything()
        broker.kill()


def test_a_job_that_lasts_three_times_as_long_as_the_broker_waits_runs_once(service: Service) -> None:
    """Also when doorbells ring meanwhile for an idle worker, and when the broker is started again."""
    service.start_module(RECONCILER)
    workers = [_start_worker(service, name) for name in ("first", "second")]
    job_id = service.submit(**SLOWLY)
    service.wait_for_step(job_id, STEPS // 6)
    _ring(service)
    service.wait_for_step(job_id, STEPS // 2)
    service.broker.kill()
    service.broker.start()
    _ring(service)
    service.wait_for_state(job_id, "succeeded")
    assert [attempt.outcome for attempt in service.attempts(job_id)] == ["succeeded"]
    assert service.weights(job_id) == expected_weights(STEPS)
    second = service.submit(steps=STEPS)
    service.wait_for_state(second, "succeeded")
    assert all(worker.poll() is None for worker in workers), "they outlive the broker's patience"
    wait_for(
        lambda: not service.processes("tests.worker.programs.supervisor"), within_seconds=10, what="rest"
    )
    with reading(service.engine) as session:
        assert sorted(row.job_id for row in session.query(EncoderRow)) == sorted([job_id, second])


def _start_worker(service: Service, name: str) -> "subprocess.Popen[bytes]":
    service.environment["SIGNFORGE_WORKER_NAME"] = name
    return service.start_module(WORKER)


def _ring(service: Service) -> None:
    """Ring; a connection from before the broker's end is found to be dead at the first try."""
    ring = ringer(create_app(service.settings))

    def rung() -> bool:
        try:
            ring(1)
        except OperationalError:
            return False
        return True

    wait_for(rung, within_seconds=10, what="a ring")
