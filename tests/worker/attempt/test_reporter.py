"""Events are reported in few transactions, and none is lost in a database outage."""

import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from core.errors import LeaseLost
from core.jobs.database import reading, transaction
from core.jobs.ledger.job_logs import PIECE_BYTES, read_log
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.reports import checkpoints_of
from core.jobs.ledger.submissions import metrics_of
from core.jobs.states import State
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.folder_store import FolderStore
from tests.core.jobs.arranging import events, expire, hold, job
from worker.attempt.program_log import ProgramLog
from worker.attempt.reporter import FLUSH_SECONDS, Reporter

MOST_LOG_BYTES = 2**20


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def claimed(sqlite_engine: Engine) -> Claim:
    return hold(sqlite_engine, state=State.STARTING)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FolderStore(tmp_path / "artifacts")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the program writes to standard error; nothing yet."""
    return tmp_path / "program.log"


@pytest.fixture
def reporter(
    sqlite_engine: Engine, claimed: Claim, store: ArtifactStore, log: Path, clock: Clock
) -> Reporter:
    return Reporter(sqlite_engine, claimed.lease, store, log=ProgramLog(log, 1, MOST_LOG_BYTES), clock=clock)


def step(number: int) -> dict[str, object]:
    return {"event": "step", "step": number, "metrics": {"loss": 1 / number}}


def test_the_first_event_starts_the_job(sqlite_engine: Engine, claimed: Claim, reporter: Reporter) -> None:
    reporter.flush_if_due()
    assert job(sqlite_engine, claimed.job_id).state == "starting"
    reporter.take({"event": "phase", "phase": "training", "total_steps": 9})
    reporter.flush_if_due()
    row = job(sqlite_engine, claimed.job_id)
    assert row.state == "running"
    assert row.progress is not None
    assert row.progress["phase"] == "training"


def test_many_steps_make_one_report_and_every_number_is_kept(
    sqlite_engine: Engine, claimed: Claim, reporter: Reporter, clock: Clock
) -> None:
    for number in range(1, 101):
        reporter.take(step(number))
        reporter.flush_if_due()
    clock.time += FLUSH_SECONDS
    reporter.flush_if_due()
    assert len(events(sqlite_engine, claimed.job_id, "metric")) == 2
    with reading(sqlite_engine) as session:
        assert len(metrics_of(session, claimed.job_id)) == 100


def test_a_checkpoint_is_committed_at_once(
    sqlite_engine: Engine, claimed: Claim, reporter: Reporter, store: ArtifactStore
) -> None:
    reporter.take(step(1))
    reporter.flush_if_due()
    reporter.take({"event": "checkpoint", "path": str(_checkpoint(store, 5)), "step": 5})
    reporter.flush_if_due()
    with reading(sqlite_engine) as session:
        (row,) = checkpoints_of(session, claimed.job_id)
    assert (row.step, row.size_bytes) == (5, 3)
    assert store.local_path(row.location).is_dir()


def test_a_damaged_checkpoint_is_told_and_not_committed(
    sqlite_engine: Engine, claimed: Claim, reporter: Reporter, store: ArtifactStore
) -> None:
    folder = _checkpoint(store, 5)
    (folder / "weights").write_bytes(b"xyz")
    reporter.take({"event": "checkpoint", "path": str(folder), "step": 5})
    reporter.flush_if_due()
    with reading(sqlite_engine) as session:
        assert checkpoints_of(session, claimed.job_id) == []
    assert "digest" in events(sqlite_engine, claimed.job_id, "log")[0].data["message"]


def test_a_checkpoint_that_the_program_deleted_is_marked(
    sqlite_engine: Engine, claimed: Claim, reporter: Reporter, store: ArtifactStore
) -> None:
    for number in (5, 10):
        folder = _checkpoint(store, number)
        reporter.take({"event": "checkpoint", "path": str(folder), "step": number})
        reporter.flush_if_due()
        if number == 5:
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
    with reading(sqlite_engine) as session:
        assert [row.step for row in checkpoints_of(session, claimed.job_id)] == [10]


def test_nothing_is_lost_while_the_database_is_away(
    sqlite_engine: Engine, claimed: Claim, reporter: Reporter, clock: Clock
) -> None:
    with sqlite_engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs RENAME TO jobs_elsewhere"))
    for number in (1, 2):
        reporter.take(step(number))
        clock.time += 2 * FLUSH_SECONDS
        reporter.flush_if_due()
    with sqlite_engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs_elsewhere RENAME TO jobs"))
    clock.time += 10
    reporter.flush_if_due()
    with reading(sqlite_engine) as session:
        assert [row.step for row in metrics_of(session, claimed.job_id)] == [1, 2]
    assert len(events(sqlite_engine, claimed.job_id, "state")) == 3


def test_a_lost_lease_stops_everything(sqlite_engine: Engine, claimed: Claim, reporter: Reporter) -> None:
    from core.jobs.ledger.leases import reap
    from tests.core.jobs.arranging import POLICY

    expire(sqlite_engine, claimed)
    with transaction(sqlite_engine) as session:
        reap(session, POLICY)
    reporter.take(step(1))
    with pytest.raises(LeaseLost):
        reporter.flush_if_due()
    assert events(sqlite_engine, claimed.job_id, "metric") == []


def test_what_sqlite_raises_for_a_missing_table_counts_as_away(sqlite_engine: Engine) -> None:
    with pytest.raises(OperationalError), transaction(sqlite_engine) as session:
        session.execute(text("SELECT * FROM nowhere"))


def test_the_log_is_stored_while_the_program_writes_it(
    sqlite_engine: Engine, claimed: Claim, reporter: Reporter, log: Path, clock: Clock
) -> None:
    log.write_bytes(b"epoch 1\nWarnung: f\xc3")
    reporter.flush_if_due()
    assert stored_text(sqlite_engine, claimed) == "epoch 1\nWarnung: f"
    with log.open("ab") as file:
        file.write(b"\xbcr\xff Gloss fehlt\0\n")
    reporter.flush_if_due()
    assert stored_text(sqlite_engine, claimed) == "epoch 1\nWarnung: f", "not before its time"
    clock.time += FLUSH_SECONDS
    reporter.flush_if_due()
    assert stored_text(sqlite_engine, claimed) == "epoch 1\nWarnung: für? Gloss fehlt?\n"


def test_a_log_that_is_written_faster_than_stored_keeps_its_end(
    sqlite_engine: Engine, claimed: Claim, reporter: Reporter, log: Path
) -> None:
    log.write_bytes(b"x" * 3 * MOST_LOG_BYTES + b"the last words")
    with transaction(sqlite_engine) as session:
        reporter.write(session, to_the_end=True)
    reporter.written()
    text = stored_text(sqlite_engine, claimed)
    assert MOST_LOG_BYTES - PIECE_BYTES < len(text) <= MOST_LOG_BYTES
    assert text.endswith("the last words")


def stored_text(engine: Engine, claimed: Claim) -> str:
    with reading(engine) as session:
        page = read_log(session, claimed.job_id, max_bytes=2**30)
    assert page is not None
    return "".join(piece.text for piece in page.pieces)


def _checkpoint(store: ArtifactStore, number: int) -> Path:
    folder = store.attempt_folder("job_1", 1) / "checkpoints" / f"step_{number:08d}"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"abc")
    entry = {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"step": number, "files": {"weights": entry}}))
    return folder
