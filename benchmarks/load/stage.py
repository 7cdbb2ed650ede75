"""Start a service of real processes for the load test: API, broker, reconciler, worker and database."""

import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from synthetic_corpus import GLOSSES, SIGNERS, write_quickly

from core.jobs.database import transaction
from core.jobs.ledger.submissions import cancel, submit
from core.jobs.tables.artifacts import CorpusRow
from core.specs.jobs import PretrainSpec
from tests.servers.api import OWNER, Api
from tests.servers.postgres import postgres
from tests.servers.starting import start
from tests.servers.valkey import Valkey

CORPUS, CLIPS = "cor_load", 640
_MOST_FILES = 4096
"""File descriptor limit: a thousand listeners need one each, on both ends."""


class Stage:
    """An API process with a corpus for jobs; `start_worker` starts the other processes."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self._settings = folder, settings
        self.api = Api(folder, **settings)
        self._add_corpus()

    def start_worker(self, stack: ExitStack, **settings: str) -> None:
        """Start broker, reconciler and worker; they are killed when `stack` closes."""
        broker = Valkey(self.folder, self.api.settings.broker_socket)
        stack.callback(broker.kill)
        values = {"data_folder": str(self.folder), **self._settings, **settings}
        environment = {f"SIGNFORGE_{name.upper()}": value for name, value in values.items()}
        environment["OMP_WAIT_POLICY"] = "PASSIVE"  # as `signforge up` sets it
        for module in ("worker.reconciler", "worker.main"):
            log = self.folder / f"{module}.log"
            process = start([sys.executable, "-m", module], log=log, environment=environment)
            stack.callback(_end, process.pid)

    def _add_corpus(self) -> None:
        path = self.api.store.corpus_folder(CORPUS)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_quickly(path, CLIPS)
        summary = {
            "split_counts": {"train": 1, "test": 1},
            "label_names": [f"gloss-{number:04d}" for number in range(GLOSSES)],
            "signer_names": [f"signer-{number:02d}" for number in range(SIGNERS)],
        }
        with transaction(self.api.engine) as session:
            origin = submit(session, owner=OWNER, spec=PretrainSpec(corpus=CORPUS), resolved=None)
            cancel(session, origin)
            session.add(
                CorpusRow(
                    id=CORPUS,
                    owner=OWNER,
                    name="load",
                    job_id=origin.id,
                    location=self.api.store.location_of(path),
                    digest="d" * 64,
                    summary=summary,
                    created_at=datetime.now(UTC),
                )
            )


@contextmanager
def stage(database: str) -> Iterator[Stage]:
    """Start a new service on a new database, `sqlite` or `postgresql`; everything is removed afterwards."""
    _allow_files()
    folder = Path(tempfile.mkdtemp(prefix="sfload"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        settings = {"max_queued_per_owner": "1000000", "requests_per_minute": "0"}
        if database == "postgresql":
            settings["database_url"] = stack.enter_context(postgres())
        made = Stage(folder, settings)
        stack.callback(made.api.close)
        yield made


def _allow_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_MOST_FILES, most), most))


def _end(process_id: int) -> None:
    """Kill a process started here and its children."""
    head = psutil.Process(process_id)
    family = [*head.children(recursive=True), head]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=20)
