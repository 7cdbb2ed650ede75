"""A whole service of real processes (broker, reconciler, Celery worker), to be started, hurt, looked at."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

import psutil
from sqlalchemy import Engine, select

from core.jobs.database import reading, transaction
from core.jobs.ledger.submissions import cancel, events_after, submit
from core.jobs.settings import Settings
from core.jobs.states import FINAL
from core.jobs.storage.stores import open_store
from core.jobs.tables.artifacts import CorpusRow, EncoderRow
from core.jobs.tables.jobs import JobAttemptRow, JobEventRow, JobRow, WorkerRow
from core.specs.jobs import JobSpec, PretrainSpec
from tests.servers.migrated import open_migrated
from tests.servers.starting import start, wait_for
from tests.servers.valkey import Valkey

QUICK = {
    "SIGNFORGE_LEASE_SECONDS": "6",
    "SIGNFORGE_RENEW_SECONDS": "0.5",
    "SIGNFORGE_POLL_SECONDS": "0.1",
    "SIGNFORGE_RECONCILE_SECONDS": "0.1",
    "SIGNFORGE_RING_AGAIN_SECONDS": "0.5",
    "SIGNFORGE_STOP_GRACE_SECONDS": "4",
    "SIGNFORGE_STALL_SECONDS": "6",
    "SIGNFORGE_MAX_ATTEMPTS": "3",
    "SIGNFORGE_BACKOFF_SECONDS": "1",
}
PROGRAM = "tests.worker.programs.counting"
SUPERVISOR = "tests.worker.programs.supervisor"
WORKER = "tests.worker.programs.celery_worker"
RECONCILER = "worker.reconciler"


class Broker(Protocol):
    """A real server for doorbells."""

    @property
    def url(self) -> str:
        """What Celery calls it."""

    def start(self) -> None:
        """Start it and wait until it answers."""

    def kill(self) -> None:
        """Kill it and wait until it is gone."""

    def forget(self) -> None:
        """Have it forget everything."""


class Service:
    """Everything that shares one data folder, with the counting program for pretraining.

    A `broker` that is given belongs to the caller; else the service has a Valkey of its own.
    """

    def __init__(self, folder: Path, broker: Broker | None = None, **changes: str) -> None:
        self.environment = {**QUICK, "SIGNFORGE_DATA_FOLDER": str(folder), **changes}
        self._folder = folder
        if broker is not None:
            self.environment["SIGNFORGE_BROKER_URL"] = broker.url
        self.settings = Settings(**_as_fields(self.environment))
        self.store = open_store(self.settings)
        self.engine: Engine = open_migrated(self.settings.resolved_database_url)
        self._add_corpus()
        self._given_broker = broker
        self._valkey: Valkey | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._by_module: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_everything()

    @property
    def broker(self) -> Broker:
        """The broker; one of our own is started on first use."""
        if self._given_broker is not None:
            return self._given_broker
        if self._valkey is None:
            self._valkey = Valkey(self._folder, self.settings.broker_socket)
        return self._valkey

    def start(self) -> "subprocess.Popen[bytes]":
        """Start broker, reconciler and worker; returns the worker's main process."""
        _ = self.broker
        self.start_module(RECONCILER)
        return self.start_module(WORKER)

    def restart_what_ended(self) -> "subprocess.Popen[bytes]":
        """Start of these what does not run; returns the worker's main process once it is ready for work."""
        _ = self.broker
        running = {module: each for module, each in self._by_module.items() if each.poll() is None}
        if RECONCILER not in running:
            self.start_module(RECONCILER)
        worker = running.get(WORKER) or self.start_module(WORKER)

        def is_ready() -> bool:
            with reading(self.engine) as session:
                return session.query(WorkerRow).filter_by(process_id=worker.pid).count() > 0

        wait_for(is_ready, within_seconds=30, what="the worker's start")
        return worker

    def start_module(self, module: str, **changes: str) -> "subprocess.Popen[bytes]":
        """Start one Python module of the service, with settings of its own where `changes` has some."""
        command = [sys.executable, "-m", module]
        log = self._folder / f"{module}.log"
        process = start(command, log=log, environment={**self.environment, **changes})
        self._started.append(process)
        self._by_module[module] = process
        return process

    def submit(self, **overrides: Any) -> str:
        """Queue a counting job that does what `overrides` say."""
        return self.submit_spec(PretrainSpec(corpus="cor_1", name="letters", overrides=overrides))

    def submit_spec(self, spec: JobSpec) -> str:
        """Queue any job."""
        with transaction(self.engine) as session:
            return submit(session, owner="ada", spec=spec, resolved=None).id

    def cancel(self, job_id: str) -> None:
        """Ask for a job to be cancelled, as the API does."""
        with transaction(self.engine) as session:
            cancel(session, session.get_one(JobRow, job_id))

    def job(self, job_id: str) -> JobRow:
        """A job's row as it is now."""
        with reading(self.engine) as session:
            return session.get_one(JobRow, job_id)

    def attempts(self, job_id: str) -> list[JobAttemptRow]:
        """All attempts at a job."""
        with reading(self.engine) as session:
            return session.query(JobAttemptRow).filter_by(job_id=job_id).order_by("attempt").all()

    def events(self, job_id: str, kind: str) -> list[JobEventRow]:
        """A job's events of one type."""
        with reading(self.engine) as session:
            return [event for event in events_after(session, job_id, 0, 100_000) if event.type == kind]

    def weights(self, job_id: str) -> str:
        """What the job's encoder weighs in the end."""
        with reading(self.engine) as session:
            (row,) = session.query(EncoderRow).filter_by(job_id=job_id).all()
        location = f"{row.location}/encoder.safetensors"
        return b"".join(self.store.read(location, 0, self.store.size_of(location))).decode()

    def wait_for_state(self, job_id: str, *states: str, within_seconds: float = 90) -> JobRow:
        """Wait until the job is in one of `states`."""

        def look() -> JobRow | None:
            row = self.job(job_id)
            assert row.state in states or row.state not in FINAL, f"{row.state}: {row.status_message}"
            return row if row.state in states else None

        return wait_for(look, within_seconds=within_seconds, what=f"{job_id} becoming {states}")

    def wait_for_step(self, job_id: str, step: int) -> None:
        """Wait until the job has a committed checkpoint of `step` or a later one."""

        def look() -> bool:
            return any(event.data["step"] >= step for event in self.events(job_id, "checkpoint"))

        wait_for(look, within_seconds=40, what=f"a checkpoint of step {step}")

    def processes(self, *modules: str) -> list[psutil.Process]:
        """The service's living processes, all or those that run one of `modules`."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("SIGNFORGE_DATA_FOLDER") == str(self._folder)
                names = {*process.cmdline()}
                if ours and process.status() != psutil.STATUS_ZOMBIE and (not modules or names & {*modules}):
                    found.append(process)
        return found

    def suspend(self, *modules: str) -> list[psutil.Process]:
        """Stop processes of these modules while none of them holds the database's lock."""
        with transaction(self.engine) as session:
            session.execute(select(1))  # begins, and so waits for whoever holds it
            asleep = self.processes(*modules)
            for process in asleep:
                process.suspend()
        return asleep

    def kill(self, *modules: str, child_of: int | None = None) -> None:
        """Kill processes that run these modules; only forked children of `child_of`, if that is given."""
        for process in self.processes(*modules):
            with contextlib.suppress(psutil.NoSuchProcess):
                if child_of is None or process.ppid() == child_of:
                    process.kill()

    def wait_for_no_process(self, *modules: str, within_seconds: float = 20) -> None:
        """Wait until nothing runs any of `modules`."""
        gone: Callable[[], bool] = lambda: not self.processes(*modules)  # noqa: E731
        wait_for(gone, within_seconds=within_seconds, what=f"the end of {modules}")

    def stop_everything(self) -> None:
        """Kill whatever is left, and close the database."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.wait_for_no_process()
        for started in self._started:
            started.wait(10)
        if self._valkey is not None:
            self._valkey.kill()
        self.engine.dispose()

    def _add_corpus(self) -> None:
        """A corpus that a job may name; the counting program does not look into it."""
        folder = self.store.corpus_folder("cor_1")
        location = self.store.location_of(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.store.commit(folder, location)
        at = datetime.now(UTC)
        with transaction(self.engine) as session:
            spec = PretrainSpec(corpus="cor_1")
            origin = submit(session, owner="ada", spec=spec, resolved=None)
            cancel(session, origin)
            session.add(
                CorpusRow(
                    id="cor_1",
                    owner="ada",
                    name="signers",
                    job_id=origin.id,
                    location=location,
                    digest="d",
                    summary={},
                    created_at=at,
                )
            )


def _as_fields(environment: dict[str, str]) -> dict[str, Any]:
    """Settings among the variables; others are for the tests' own programs."""
    own = {name: value for name, value in environment.items() if name.startswith("SIGNFORGE_")}
    return {name.removeprefix("SIGNFORGE_").lower(): value for name, value in own.items()}
