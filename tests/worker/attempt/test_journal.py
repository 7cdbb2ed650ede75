"""Metrics that a killed supervisor could not store are recovered, and no others are changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from core.jobs.database import reading, transaction
from core.jobs.ledger.leases import Claim, claim, reap
from core.jobs.ledger.reports import Point, record_metrics
from core.jobs.ledger.submissions import metrics_of
from core.jobs.storage.folder_store import FolderStore
from tests.core.jobs.arranging import POLICY, expire, hold, set_fields
from worker.attempt.journal import NAME, adopt_metrics


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def report(store: FolderStore, claimed: Claim, losses: dict[int, float], *, cut: int = 0) -> None:
    """What the program of an attempt left; `cut` bytes of its last line are missing."""
    lines: list[dict[str, Any]] = [{"event": "phase", "phase": "training", "total_steps": 9}]
    lines += [{"event": "step", "step": step, "metrics": {"loss": loss}} for step, loss in losses.items()]
    journal = store.attempt_folder(claimed.job_id, claimed.attempt) / NAME
    journal.parent.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    journal.write_text(text[: len(text) - cut])


def next_attempt(engine: Engine, claimed: Claim) -> Claim:
    expire(engine, claimed)
    with transaction(engine) as session:
        reap(session, POLICY)
    set_fields(engine, claimed.job_id, not_before=None)
    with transaction(engine) as session:
        again = claim(session, "wrk", 60)
    assert again is not None
    return again


def losses(engine: Engine, job_id: str) -> dict[int, float]:
    with reading(engine) as session:
        return {row.step: row.value for row in metrics_of(session, job_id, name="loss")}


def test_what_nobody_stored_is_stored_up_to_the_step_to_go_on_from(
    engine: Engine, store: FolderStore
) -> None:
    first = hold(engine)
    with transaction(engine) as session:
        record_metrics(session, first.lease, [Point(1, {"loss": 0.9}), Point(2, {"loss": 0.8})])
    report(store, first, {1: 7.0, 2: 7.0, 3: 0.7, 4: 0.6, 5: 0.5}, cut=9)
    second = next_attempt(engine, first)
    with transaction(engine) as session:
        assert adopt_metrics(session, second.lease, store, until_step=4) == 2
    assert losses(engine, first.job_id) == {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.6}
    with transaction(engine) as session:
        assert adopt_metrics(session, second.lease, store, until_step=9) == 0, "the last line was cut off"


def test_the_newest_attempt_that_took_a_step_counts(engine: Engine, store: FolderStore) -> None:
    first = hold(engine)
    report(store, first, {1: 0.9, 2: 0.8, 3: 0.7})
    second = next_attempt(engine, first)
    report(store, second, {2: 0.81, 3: 0.71})
    third = next_attempt(engine, second)
    with transaction(engine) as session:
        assert adopt_metrics(session, third.lease, store, until_step=3) == 3
    assert losses(engine, first.job_id) == {1: 0.9, 2: 0.81, 3: 0.71}


def test_without_a_journal_there_is_nothing_to_adopt(engine: Engine, store: FolderStore) -> None:
    second = next_attempt(engine, hold(engine))
    with transaction(engine) as session:
        assert adopt_metrics(session, second.lease, store, until_step=9) == 0
