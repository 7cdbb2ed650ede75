"""A real RabbitMQ server on the loopback, from the system's package; tests skip where there is none."""

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from core.jobs.workers import Capacity
from tests.servers.starting import start, wait_for
from worker.app import queues_of

_PACKAGED = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's program in PATH becomes another user first, and its server would outlive us."""
_HOW_TO_INSTALL = (
    "there is no RabbitMQ here; Debian and Ubuntu have it as the package rabbitmq-server (no running service "
    "is needed)"
)


class RabbitMQ:
    """A server that can be killed and started again on the same folder, where it keeps what it was told.

    Its port mapper (epmd) is our own too: the server would leave one behind. `patience_seconds` is how long a
    consumer may have a message before it says that it has done with it (half an hour, if not given).
    """

    def __init__(self, folder: Path, *, patience_seconds: float = 1800) -> None:
        self._program, self._mapping_program = _find()
        self._folder = folder / "rabbitmq"
        self._folder.mkdir()
        self._port, self._mapper_port, self._nodes_port = _free_ports(3)
        patience = (
            f"-rabbit consumer_timeout {1000 * patience_seconds:.0f} -rabbit channel_tick_interval 1000"
        )
        self._erlang = f"-kernel inet_dist_use_interface {{127,0,0,1}} +sbwt none {patience}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self.start()

    @property
    def url(self) -> str:
        """What Celery calls it."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start it and wait until it answers."""
        mapping = [self._mapping_program, "-address", "127.0.0.1", "-port", self._mapper_port]
        mapper = start(mapping, log=self._folder / "epmd.log")
        wait_for(lambda: _listens(self._mapper_port), within_seconds=10, what="epmd's start")
        server = start([self._program], log=self._log, environment=self._environment)
        self._processes = [server, mapper]
        try:
            wait_for(self._answers, within_seconds=60, what="RabbitMQ's start")
        except AssertionError:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        for process in self._processes:
            process.kill()
            process.wait(10)

    def forget(self) -> None:
        """Have it forget everything: queues, and the doorbells in them."""
        with self._connection() as connection, connection.channel() as channel:
            for queue in queues_of(Capacity("cpu", 1_000)).split(","):
                channel.queue_delete(queue)

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    @property
    def _environment(self) -> dict[str, str]:
        nowhere = str(self._folder / "nowhere")
        return {
            "HOME": str(self._folder),
            "RUNNING_UNDER_SYSTEMD": "true",  # the start script becomes the server, no child of its own
            "ERL_CRASH_DUMP": str(self._folder / "crash.dump"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_NODENAME": f"signforge-{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._nodes_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": self._erlang,
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": nowhere,
            "RABBITMQ_CONF_ENV_FILE": nowhere,
            "RABBITMQ_ENABLED_PLUGINS_FILE": nowhere,
            "RABBITMQ_FEATURE_FLAGS_FILE": str(self._folder / "feature_flags"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
        }

    def _connection(self) -> Any:
        return Connection(self.url, connect_timeout=5)

    def _answers(self) -> bool:
        assert self._processes[0].poll() is None, self._log.read_text()[-3000:]
        try:
            with self._connection() as connection:
                connection.connect()
        except OSError:
            return False
        return True


def _find() -> tuple[str, str]:
    program = str(_PACKAGED) if _PACKAGED.exists() else shutil.which("rabbitmq-server")
    mapping_program = shutil.which("epmd")
    if program is None or mapping_program is None:
        pytest.skip(_HOW_TO_INSTALL)
    return program, mapping_program


def _free_ports(count: int) -> list[int]:
    """Ports at which nobody listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
