"""A real API process on the loopback, with an administrator's API key."""

import socket
import sys
from pathlib import Path

import httpx
from sqlalchemy import Engine

from core.jobs.database import transaction
from core.jobs.keys import create_api_key
from core.jobs.settings import Settings
from core.jobs.storage.stores import open_store
from tests.servers.migrated import open_migrated
from tests.servers.starting import start, wait_for

OWNER = "ada"


class Api:
    """`python -m api.main` on a data folder and a free port; `settings` are fields of Settings."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = _free_port()
        values = {"data_folder": str(folder), "port": str(self.port), **settings}
        self.settings = Settings.model_validate(values)
        self.engine: Engine = open_migrated(self.settings.resolved_database_url)
        with transaction(self.engine) as session:
            self.api_key = create_api_key(session, owner=OWNER, scopes=["read", "submit", "admin"])
        self.store = open_store(self.settings)
        environment = {f"SIGNFORGE_{name.upper()}": value for name, value in values.items()}
        log = folder / "api.log"
        self.process = start([sys.executable, "-m", "api.main"], log=log, environment=environment)
        wait_for(self._answers, within_seconds=60, what=f"the API's start ({log})")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Kill it, and close the database."""
        self.process.kill()
        self.process.wait(10)
        self.engine.dispose()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
