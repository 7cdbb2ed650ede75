"""Concurrent submission and deletion: the second sees the first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.errors import InUse
from core.jobs.database import now, reading, transaction
from core.jobs.deletions import SHARE_LOCK, delete, missing
from core.jobs.ledger.submissions import submit
from core.jobs.tables.artifacts import UploadRow
from core.specs.import_jobs import ImportSpec

SPEC = ImportSpec(name="signs", source="upl_1")


@pytest.fixture
def upload(engine: Engine) -> str:
    with transaction(engine) as session:
        row = UploadRow(
            id="upl_1", owner="ada", filename="a", location="uploads/x/a", size_bytes=1, sha256=""
        )
        row.created_at = datetime.now(UTC)
        session.add(row)
    return "upl_1"


def remove(session: Session) -> None:
    delete(session, session.get_one(UploadRow, "upl_1"))


def use(session: Session) -> None:
    row = session.get_one(UploadRow, "upl_1", with_for_update=SHARE_LOCK)
    if row.deleted_at is None:
        submit(session, owner="ada", spec=SPEC, resolved=None)


def second_waits_for_first(
    engine: Engine, first: Callable[[Session], None], second: Callable[[Session], None]
) -> None:
    """Begin `second` while `first` has not committed, and return when both are done."""

    def run() -> None:
        with transaction(engine) as session:
            second(session)

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as session:
            first(session)
            going_on = pool.submit(run)
            with pytest.raises(TimeoutError):
                going_on.result(timeout=0.3)
        going_on.result(timeout=20)


def test_a_deletion_waits_for_a_submission_and_is_refused(engine: Engine, upload: str) -> None:
    with pytest.raises(InUse, match="job_"):
        second_waits_for_first(engine, use, remove)
    with reading(engine) as session:
        assert session.get_one(UploadRow, upload).deleted_at is None


def test_a_submission_waits_for_a_deletion_and_finds_nothing(engine: Engine, upload: str) -> None:
    second_waits_for_first(engine, remove, use)
    with transaction(engine) as session:
        assert session.get_one(UploadRow, upload).deleted_at is not None
        assert missing(session, SPEC.model_dump()) == upload
        remove(session)  # nobody uses it


def test_a_deletion_is_dated_once(engine: Engine, upload: str) -> None:
    with transaction(engine) as session:
        remove(session)
        first = session.get_one(UploadRow, upload).deleted_at
    with transaction(engine) as session:
        remove(session)
        assert session.get_one(UploadRow, upload).deleted_at == first
        assert first is not None
        assert first <= now(session)
