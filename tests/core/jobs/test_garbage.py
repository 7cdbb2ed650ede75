"""Queries of garbage collection, and turns of reconcilers, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from core.jobs.database import reading, transaction
from core.jobs.deletions import delete
from core.jobs.garbage import (
    FOLDERS,
    jobs_to_collect,
    kept_checkpoints,
    mark_collected,
    orphans,
    take_turn,
)
from core.jobs.identifiers import new_id
from core.jobs.ledger.reports import commit_checkpoint
from core.jobs.states import State
from core.jobs.storage.clearing import Entry
from core.jobs.tables.access import ApiKeyRow
from core.jobs.tables.artifacts import CheckpointRow, UploadRow
from core.specs.import_jobs import ImportEncoderSpec, ImportSpec
from core.specs.jobs import JobSpec, PretrainSpec
from tests.core.jobs.arranging import hold, job, queue, set_fields

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
IMPORT = ImportSpec(name="signs", source="upl_1")
PRETRAIN = PretrainSpec(corpus="cor_none", name="letters")
IMPORT_ENCODER = ImportEncoderSpec(source="upl_none", name="letters")


def end(engine: Engine, job_id: str, at: datetime, state: State = State.FAILED) -> str:
    """Let a job have ended at a time."""
    set_fields(engine, job_id, state=state, finished_at=at)
    return job_id


def make_key(engine: Engine, created_at: datetime = NOON - 24 * HOUR) -> None:
    """An API key: the database is in use since then."""
    with transaction(engine) as session:
        row = ApiKeyRow(id=new_id("key"), owner="ada", secret_sha256="", scopes=[], created_at=created_at)
        session.add(row)


def due(engine: Engine, before: datetime) -> list[str]:
    with reading(engine) as session:
        return [job_id for _, job_id in jobs_to_collect(session, before=before)]


def found(engine: Engine, folder: str, entries: list[Entry], before: datetime) -> list[str]:
    with reading(engine) as session:
        return [entry.location for entry in orphans(session, folder, entries, before=before)]


def test_of_several_reconcilers_one_collects_at_a_time(engine: Engine) -> None:
    def take(at: datetime) -> bool:
        with transaction(engine) as session:
            return take_turn(session, at=at, every_seconds=600)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, [NOON] * 4)) == [False, False, False, True]
    assert not take(NOON + timedelta(seconds=599))
    assert take(NOON + timedelta(seconds=600))
    assert take(NOON), "a clock that was set back does not stop it"


def test_jobs_that_ended_long_ago_come_up_until_they_are_collected(engine: Engine) -> None:
    old = [end(engine, queue(engine), NOON, state) for state in (State.SUCCEEDED, State.CANCELLED)]
    end(engine, queue(engine), NOON + HOUR)
    hold(engine)
    queue(engine)
    assert sorted(due(engine, NOON)) == sorted(old)
    with transaction(engine) as session:
        mark_collected(session, old[0], before=NOON, at=NOON + HOUR)
    assert due(engine, NOON) == [old[1]]
    assert job(engine, old[0]).collected_at == NOON + HOUR


def test_pages_follow_each_other(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.jobs.garbage._PAGE_SIZE", 2)
    ids = [end(engine, queue(engine), NOON - HOUR * (number // 2)) for number in range(5)]
    seen, last = [], None
    with reading(engine) as session:
        while page := jobs_to_collect(session, before=NOON, after=last):
            assert len(page) <= 2
            seen += [job_id for _, job_id in page]
            last = page[-1]
    assert len(seen) == 5
    assert set(seen) == set(ids)
    assert seen[0] == ids[4], "the oldest first"


def test_a_job_that_loses_a_checkpoint_is_looked_at_again(engine: Engine) -> None:
    claimed = hold(engine)
    with transaction(engine) as session:
        kept, going = (
            commit_checkpoint(
                session, claimed.lease, step=step, location=f"step_{step}", manifest={}, size_bytes=1
            ).id
            for step in (1, 2)
        )
    end(engine, claimed.job_id, NOON)
    with transaction(engine) as session:
        mark_collected(session, claimed.job_id, before=NOON, at=NOON)
        delete(session, session.get_one(CheckpointRow, going))
        deleted_at = session.get_one(CheckpointRow, going).deleted_at
    assert deleted_at is not None
    assert due(engine, deleted_at - HOUR) == [], "not at once"
    assert due(engine, deleted_at + HOUR) == [claimed.job_id]
    with transaction(engine) as session:
        assert kept_checkpoints(session, claimed.job_id) == ["step_1"]
        mark_collected(session, claimed.job_id, before=deleted_at - HOUR, at=deleted_at)
    assert due(engine, deleted_at + HOUR) == [claimed.job_id], "it was lost while others were removed"
    with transaction(engine) as session:
        mark_collected(session, claimed.job_id, before=deleted_at + HOUR, at=deleted_at + 2 * HOUR)
        assert session.get_one(CheckpointRow, kept).deleted_at is None
    assert due(engine, deleted_at + HOUR) == []


def test_a_job_is_not_marked_while_it_loses_a_checkpoint(engine: Engine) -> None:
    claimed = hold(engine)
    with transaction(engine) as session:
        row = commit_checkpoint(session, claimed.lease, step=1, location="step_1", manifest={}, size_bytes=1)
    end(engine, claimed.job_id, NOON)

    def mark() -> None:
        with transaction(engine) as session:
            mark_collected(session, claimed.job_id, before=NOON, at=NOON + HOUR)

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as session:
            delete(session, session.get_one(CheckpointRow, row.id))
            marking = pool.submit(mark)
            with pytest.raises(TimeoutError):
                marking.result(timeout=0.3)
        marking.result(timeout=20)
    assert job(engine, claimed.job_id).collected_at is None


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_was_not_made_with_this_database_stays(engine: Engine, folder: str) -> None:
    entries = [Entry(f"{folder}/{hours}", NOON + hours * HOUR) for hours in (-2, 0, 2)]
    assert found(engine, folder, entries, NOON) == []
    make_key(engine, created_at=NOON - HOUR)
    assert found(engine, folder, entries, NOON) == [f"{folder}/0"]


@pytest.mark.parametrize(
    ("folder", "spec", "other"),
    [("corpora", IMPORT, PRETRAIN), ("encoders", PRETRAIN, IMPORT), ("encoders", IMPORT_ENCODER, IMPORT)],
)
def test_what_a_running_job_may_have_made_is_on_its_way(
    engine: Engine, folder: str, spec: JobSpec, other: JobSpec
) -> None:
    make_key(engine)
    claimed, another = hold(engine, spec=spec), hold(engine, spec=other)
    set_fields(engine, claimed.job_id, started_at=NOON)
    set_fields(engine, another.job_id, started_at=NOON - 2 * HOUR)
    entries = [Entry(f"{folder}/before", NOON - HOUR), Entry(f"{folder}/since", NOON + HOUR)]
    assert found(engine, folder, entries, NOON + 5 * HOUR) == [f"{folder}/before"]
    end(engine, claimed.job_id, NOON + HOUR)
    assert found(engine, folder, entries, NOON + 5 * HOUR) == [f"{folder}/before", f"{folder}/since"]


def test_the_files_of_a_deleted_row_go_when_that_is_long_ago(engine: Engine) -> None:
    make_key(engine)
    with transaction(engine) as session:
        row = UploadRow(
            id="upl_1", owner="ada", filename="a", location="uploads/x/a", size_bytes=1, sha256=""
        )
        row.created_at, row.deleted_at = NOON - 2 * HOUR, NOON
        session.add(row)
    entries = [Entry("uploads/x", NOON - 2 * HOUR)]
    assert found(engine, "uploads", entries, NOON - HOUR) == []
    assert found(engine, "uploads", entries, NOON) == ["uploads/x"]
