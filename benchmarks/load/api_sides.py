"""APIs of several checkouts, each on a SQLite database of its own, and the bare endpoint."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.servers.starting import wait_for

QUEUED = 300
OURS = Path(__file__).resolve().parents[2]
_BARE = Path(__file__).with_name("bare_endpoint.py")
_FILL = """
import json, sys
from datetime import UTC, datetime
from core.jobs.database import open_database, transaction
from core.jobs.keys import create_api_key
from core.jobs.ledger.submissions import cancel, submit
from core.jobs.migration import migrate
from core.jobs.tables.artifacts import CorpusRow
from core.specs.jobs import PretrainSpec

engine = open_database(sys.argv[1])
migrate(engine)
summary = {"split_counts": {"train": 1}, "label_names": ["a"], "signer_names": ["b"]}
with transaction(engine) as session:
    key = create_api_key(session, owner="ada", scopes=["read", "submit", "admin"])
    spec = PretrainSpec(corpus="cor_load")
    ids = [submit(session, owner="ada", spec=spec, resolved=None).id for _ in range(int(sys.argv[2]))]
    origin = submit(session, owner="ada", spec=spec, resolved=None)
    cancel(session, origin)
    corpus = CorpusRow(id="cor_load", owner="ada", name="load", job_id=origin.id, location="x")
    corpus.digest, corpus.summary, corpus.created_at = "d" * 64, summary, datetime.now(UTC)
    session.add(corpus)
print(json.dumps([key, ids]))
"""
"""Run in the checkout, whose code may differ: an owner with a corpus and queued jobs."""


@dataclass(frozen=True)
class Server:
    """A server under load, and where to ask it for jobs."""

    port: int
    process_id: int
    job_paths: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)

    def processor_seconds(self) -> float:
        used = psutil.Process(self.process_id).cpu_times()
        return float(used.user + used.system)


@contextmanager
def servers_of(folder: Path, checkouts: Mapping[str, Path]) -> Iterator[dict[str, Server]]:
    """Start the API of each checkout and, on the database of the first, the bare endpoint."""
    with ExitStack() as stack:
        servers = {name: _api(stack, checkout, folder / name) for name, checkout in checkouts.items()}
        first = next(iter(servers))
        ids = [path.rpartition("/")[2] for path in servers[first].job_paths]
        servers["bare endpoint"] = bare(stack, _url(folder / first), ids, log=folder / "bare.log")
        yield servers


def bare(stack: ExitStack, database_url: str, ids: Sequence[str], *, log: Path) -> Server:
    """Start the bare endpoint on a database; it is killed when `stack` closes."""
    port = _free_port()
    process_id = _start(stack, [str(_BARE), database_url, str(port)], OURS, {}, port, log)
    return Server(port, process_id, [f"/jobs/{job_id}" for job_id in ids])


def _api(stack: ExitStack, checkout: Path, folder: Path) -> Server:
    folder.mkdir(parents=True)
    fill = [sys.executable, "-c", _FILL, _url(folder), str(QUEUED)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    filled = subprocess.run(fill, cwd=checkout, env=environment, check=True, stdout=subprocess.PIPE)
    key, ids = json.loads(filled.stdout)
    port = _free_port()
    settings = {
        "SIGNFORGE_DATA_FOLDER": str(folder),
        "SIGNFORGE_PORT": str(port),
        "SIGNFORGE_REQUESTS_PER_MINUTE": "0",
        "SIGNFORGE_MAX_QUEUED_PER_OWNER": "1000000",
    }
    process_id = _start(stack, ["-m", "api.main"], checkout, settings, port, folder / "api.log")
    paths = [f"/v1/jobs/{job_id}" for job_id in ids]
    return Server(port, process_id, paths, {"Authorization": f"Bearer {key}"})


def _start(
    stack: ExitStack, words: Sequence[str], checkout: Path, settings: Mapping[str, str], port: int, log: Path
) -> int:
    """Start a server and wait until it listens; returns its process id."""
    environment = {**os.environ, **settings, "PYTHONPATH": str(checkout)}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=checkout, env=environment, stdout=output, stderr=output
        )
    stack.callback(process.wait)
    stack.callback(process.kill)
    wait_for(lambda: _listens(port), within_seconds=60, what=f"the server's start ({log})")
    return process.pid


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/signforge.db"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
