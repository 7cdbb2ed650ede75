"""Checkpoint retention by the run's rules and the owner's quota."""

from concurrent.futures import Future
from typing import Any

import pytest
from sqlalchemy import Engine

from core.jobs.database import reading, transaction
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.reports import Point, checkpoints_of, record_metrics
from core.jobs.quotas import Quotas
from core.jobs.settings import Settings
from core.jobs.tables.artifacts import CheckpointRow
from core.specs.run import RunConfig
from tests.core.jobs.arranging import events, hold
from worker.attempt.checkpoint_retention import Retention, apply_retention, commit
from worker.attempt.checkpoint_uploads import CheckpointUpload


@pytest.fixture
def claimed(engine: Engine) -> Claim:
    return hold(engine)


def upload(step: int, num_bytes: int = 10) -> CheckpointUpload:
    manifest: dict[str, Any] = {"step": step, "files": {"weights": {"bytes": num_bytes, "sha256": "d"}}}
    return CheckpointUpload(step, f"checkpoint_{step}", manifest, Future())


def save(engine: Engine, claimed: Claim, step: int, *, quotas: Quotas = Quotas()) -> list[str]:  # noqa: B008
    with transaction(engine) as session:
        return commit(session, claimed.lease, upload(step), quotas)


def kept(engine: Engine, claimed: Claim) -> list[int]:
    with reading(engine) as session:
        return sorted(row.step for row in checkpoints_of(session, claimed.job_id))


def test_what_the_run_does_not_ask_to_keep_goes_and_what_is_pinned_stays(
    engine: Engine, claimed: Claim
) -> None:
    for step in (5, 10, 15, 20, 25):
        save(engine, claimed, step)
    with transaction(engine) as session:
        session.query(CheckpointRow).filter_by(step=5).one().pinned = True
        points = [Point(step, {"loss": loss}) for step, loss in ((4, 0.9), (14, 0.1), (19, 0.5))]
        record_metrics(session, claimed.lease, points)
        going = apply_retention(session, claimed.lease, RunConfig(keep_checkpoints=1, keep_best="loss"))
    assert going == ["checkpoint_10", "checkpoint_20"]
    assert kept(engine, claimed) == [5, 15, 25], "pinned; the last before step 15 was the best; the newest"


def test_a_commit_whose_answer_was_lost_is_not_counted_twice(engine: Engine, claimed: Claim) -> None:
    quotas = Quotas(max_stored_bytes=15)
    assert save(engine, claimed, 5, quotas=quotas) == []
    assert save(engine, claimed, 5, quotas=quotas) == []


def test_a_full_quota_costs_the_earlier_ones(engine: Engine, claimed: Claim) -> None:
    quotas = Quotas(max_stored_bytes=25)
    assert save(engine, claimed, 5, quotas=quotas) == []
    assert save(engine, claimed, 10, quotas=quotas) == []
    assert save(engine, claimed, 15, quotas=quotas) == ["checkpoint_10", "checkpoint_5"]
    assert kept(engine, claimed) == [15]


def test_one_that_does_not_fit_at_all_is_told_and_the_earlier_ones_stay(
    engine: Engine, claimed: Claim
) -> None:
    quotas = Quotas(max_stored_bytes=15)
    save(engine, claimed, 5, quotas=quotas)
    with transaction(engine) as session:
        session.query(CheckpointRow).one().pinned = True
    assert save(engine, claimed, 10, quotas=quotas) == ["checkpoint_10"]
    assert kept(engine, claimed) == [5]
    (said,) = events(engine, claimed.job_id, "log")
    assert "step 10 (10 bytes) is not kept" in said.data["message"]
    assert "SIGNFORGE_MAX_STORED_BYTES_PER_OWNER" in said.data["message"]


def test_the_rule_is_that_of_the_resolved_run() -> None:
    resolved = {"run": {"keep_checkpoints": 4, "keep_every_steps": 100}}
    claim = Claim("job", 1, "token", "pretrain", {}, resolved, "ada")
    settings = Settings(max_stored_bytes_per_owner=7)
    retention = Retention.of(claim, settings)
    assert (retention.run.keep_every_steps, retention.quotas.max_stored_bytes) == (100, 7)
