import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from core.jobs.settings import Settings
from signforge.embedded.broker import answers, broker_child, stop_orphan
from signforge.embedded.children import Child, wait_until

pytestmark = pytest.mark.system

_PARENT = """
import os, sys, signal
from pathlib import Path
from core.jobs.settings import Settings
from signforge.embedded.broker import broker_child
folder = Path(sys.argv[1])
child = broker_child(Settings(data_folder=folder), log=folder / "log", environment=os.environ)
child.start()
print(child.process_id, flush=True)
signal.pause()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / 'a "data" folder'
    folder.mkdir()
    return Settings(data_folder=folder)


@pytest.fixture
def broker(settings: Settings) -> Child:
    return broker_child(settings, log=settings.data_folder / "broker.log", environment=os.environ)


def test_messages_survive_a_kill(settings: Settings, broker: Child) -> None:
    broker.start()
    try:
        assert wait_until(lambda: answers(settings.broker_socket), seconds=10), broker.tail()
        with redis.Redis(unix_socket_path=str(settings.broker_socket)) as connection:
            connection.rpush("doorbells", "job_1")
            assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        broker.kill()
        assert not answers(settings.broker_socket)
        broker.start()
        assert wait_until(lambda: answers(settings.broker_socket), seconds=10), broker.tail()
        with redis.Redis(unix_socket_path=str(settings.broker_socket)) as connection:
            assert connection.lrange("doorbells", 0, -1) == [b"job_1"]
    finally:
        broker.kill()


def test_it_listens_on_its_socket_only(settings: Settings, broker: Child) -> None:
    broker.start()
    try:
        assert wait_until(lambda: answers(settings.broker_socket), seconds=10), broker.tail()
        assert broker.process_id is not None
        assert psutil.Process(broker.process_id).net_connections("inet") == []
        assert settings.broker_socket.stat().st_mode & 0o077 == 0
    finally:
        broker.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_it_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        broker_id = int(parent.stdout.readline())
        assert psutil.pid_exists(broker_id)
        parent.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not psutil.pid_exists(broker_id), seconds=10)


def test_an_orphan_is_stopped(settings: Settings, broker: Child) -> None:
    broker.start()
    try:
        assert wait_until(lambda: answers(settings.broker_socket), seconds=10), broker.tail()
        stop_orphan(settings.broker_socket)
        assert wait_until(lambda: not broker.is_running, seconds=10)
    finally:
        broker.kill()
    stop_orphan(settings.broker_socket)  # nothing there any more: nothing happens
