"""Checkpoints are uploaded while the program runs, and get a row after the upload."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from core.jobs.database import reading
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.reports import checkpoints_of
from core.jobs.states import State
from core.jobs.storage.artifacts import ArtifactStore
from tests.core.jobs.arranging import events, hold
from tests.core.jobs.kept import bucket_store, make_checkpoint
from tests.servers.s3 import S3Server
from tests.servers.starting import wait_for
from worker.attempt.program_log import NAME, ProgramLog
from worker.attempt.reporter import Reporter


@pytest.fixture
def claimed(sqlite_engine: Engine) -> Claim:
    return hold(sqlite_engine, state=State.STARTING)


class Program:
    """Makes checkpoints and has them reported, as a supervisor would."""

    def __init__(self, engine: Engine, claimed: Claim, store: ArtifactStore) -> None:
        log = ProgramLog(store.attempt_folder(claimed.job_id, 1) / NAME, 1, 1_000)
        self.reporter = Reporter(engine, claimed.lease, store, log=log)
        self._engine, self._claimed, self._store = engine, claimed, store

    def save(self, step: int) -> Path:
        folder = make_checkpoint(self._store, step, job_id=self._claimed.job_id)
        self.reporter.take({"event": "checkpoint", "path": str(folder), "step": step})
        self.reporter.flush_if_due()
        return folder

    def steps(self) -> list[int]:
        with reading(self._engine) as session:
            return sorted(row.step for row in checkpoints_of(session, self._claimed.job_id))

    def stored(self) -> list[int]:
        return [int(location[-8:]) for location in self._store.checkpoints_of(self._claimed.job_id)]

    def said(self) -> list[str]:
        return [str(event.data["message"]) for event in events(self._engine, self._claimed.job_id, "log")]

    def until(self, look: Callable[[], bool]) -> None:
        """Flush as a supervisor does, until something is so."""

        def flush() -> bool:
            self.reporter.flush_if_due()
            return look()

        wait_for(flush, within_seconds=20, what="what the test waits for")


def test_the_row_comes_when_the_store_has_it_all(
    sqlite_engine: Engine, claimed: Claim, store: ArtifactStore
) -> None:
    program = Program(sqlite_engine, claimed, store)
    program.save(5)
    program.until(lambda: program.steps() == [5])
    assert program.stored() == [5]


def test_old_checkpoints_leave_the_store_after_their_rows(
    sqlite_engine: Engine, claimed: Claim, store: ArtifactStore
) -> None:
    program = Program(sqlite_engine, claimed, store)
    for step in (5, 10, 15, 20):
        folder = program.save(step)
        program.until(lambda step=step: step in program.steps())  # type: ignore[misc]
        if step < 15:
            shutil.rmtree(folder)
    assert program.steps() == [15, 20]
    program.until(lambda: not program.reporter.collect())
    assert program.stored() == [15, 20]


@pytest.mark.system
def test_training_goes_on_while_the_store_hangs(
    sqlite_engine: Engine, claimed: Claim, s3: S3Server, tmp_path: Path
) -> None:
    store = bucket_store(s3, s3.make_bucket(), tmp_path, storage_patience_seconds=30)
    program = Program(sqlite_engine, claimed, store)
    s3.suspend()
    try:
        for step in (5, 10, 15):
            program.save(step)
        assert program.reporter.collect(), "on their way"
        assert program.steps() == [], "no row before its files"
    finally:
        s3.resume()
    program.until(lambda: program.steps() == [5, 15])
    program.until(lambda: any("step 10 is skipped" in said for said in program.said()))
    assert program.stored() == [5, 15]


@pytest.mark.system
def test_a_checkpoint_that_cannot_be_stored_is_reported_and_the_next_one_may_be(
    sqlite_engine: Engine, claimed: Claim, s3: S3Server, tmp_path: Path
) -> None:
    store = bucket_store(s3, s3.make_bucket(), tmp_path, storage_patience_seconds=0.5)
    program = Program(sqlite_engine, claimed, store)
    s3.suspend()
    try:
        folder = program.save(5)
        program.until(lambda: any("step 5 is not stored" in said for said in program.said()))
    finally:
        s3.resume()
    assert list(folder.parent.iterdir()) == [], "nobody could go on from it elsewhere, and it takes room"
    program.save(10)
    program.until(lambda: program.steps() == [10])
