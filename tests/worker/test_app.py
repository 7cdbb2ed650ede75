"""The Celery settings that keep jobs safe, as Celery itself reads them."""

from pathlib import Path

import pytest

from core.jobs.settings import Settings
from core.jobs.workers import Capacity
from worker.app import DOORBELL, create_app, queue_for, queues_of, worker_name
from worker.drain import DrainSwitch
from worker.listening import ListenWhileIdle
from worker.main import arguments
from worker.tasks import register


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_folder=tmp_path, broker_url="redis://localhost/1", stop_grace_seconds=20)


def test_a_message_is_a_doorbell_and_no_more(settings: Settings) -> None:
    app = create_app(settings)
    register(app, settings, DrainSwitch(), capacity=Capacity())
    task = app.tasks[DOORBELL]
    assert (task.acks_late, task.ignore_result, task.reject_on_worker_lost) == (False, True, None)
    assert (task.time_limit, task.soft_time_limit) == (None, None)
    assert app.conf.result_backend is None
    assert (app.conf.worker_disable_prefetch, app.conf.worker_prefetch_multiplier) == (True, 1)
    assert app.conf.broker_connection_max_retries is None
    assert app.conf.worker_soft_shutdown_timeout > settings.stop_grace_seconds


@pytest.mark.parametrize(
    "url", ["redis://localhost/1", "rediss://h:1/0", "redis+socket:///a/valkey.sock", "sentinel://h"]
)
def test_keys_have_a_prefix_and_sockets_time_out(settings: Settings, url: str) -> None:
    options = create_app(settings.model_copy(update={"broker_url": url})).conf.broker_transport_options
    assert options["global_keyprefix"] == "signforge:"
    assert options["socket_timeout"] > 1, "longer than kombu's blocking read of one second"


@pytest.mark.parametrize("url", ["amqp://localhost", "amqps://h:1//", "pyamqp://h"])
def test_on_amqp_messages_are_confirmed_and_a_worker_listens_only_while_it_is_idle(
    settings: Settings, url: str
) -> None:
    on_amqp = settings.model_copy(update={"broker_url": url})
    app = create_app(on_amqp)
    register(app, on_amqp, DrainSwitch(), capacity=Capacity())
    assert app.conf.broker_transport_options["confirm_publish"] is True
    assert app.conf.broker_heartbeat > 0
    assert app.steps["consumer"] == {ListenWhileIdle}
    assert not app.conf.worker_disable_prefetch, "Celery warns where it does not know how"


def test_a_worker_has_one_process_and_a_name_of_its_own(settings: Settings, tmp_path: Path) -> None:
    words = arguments(settings, Capacity())
    assert "--queues=signforge" in words
    for word in ("worker", "--concurrency=1", "--pool=prefork", "--without-gossip", "--without-mingle"):
        assert word in words
    assert f"--hostname={worker_name(settings)}" in words
    elsewhere = settings.model_copy(update={"data_folder": tmp_path / "elsewhere"})
    assert worker_name(elsewhere) != worker_name(settings)
    assert worker_name(settings) == worker_name(settings.model_copy())
    assert worker_name(settings.model_copy(update={"worker_name": "left"})).startswith("left@")


@pytest.mark.parametrize("num_devices", [1, 2, 3, 16, 256])
def test_a_worker_hears_the_doorbells_of_all_jobs_it_can_do_and_of_no_others(num_devices: int) -> None:
    heard = queues_of(Capacity("cuda", num_devices)).split(",")
    assert {queue_for(count) for count in range(1, num_devices + 1)} == set(heard)
    assert num_devices >= 16 or queue_for(num_devices + 1) not in heard
