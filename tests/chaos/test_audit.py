"""The audit finds what it is there for: each fault is planted once."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, update
from sqlalchemy.orm import Session

from core.jobs.database import now, transaction
from core.jobs.ledger.leases import claim
from core.jobs.ledger.outcomes import EncoderFile, succeed_pretrain
from core.jobs.ledger.reports import Point, commit_checkpoint, record_metrics, report_started
from core.jobs.ledger.submissions import submit
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.folder_store import FolderStore
from core.jobs.tables.access import IdempotencyKeyRow
from core.jobs.tables.artifacts import CheckpointRow, EncoderRow
from core.jobs.tables.jobs import JobAttemptRow, JobEventRow, JobMetricRow, JobRow
from signforge.client import Client
from tests.chaos.audit import Findings, Undisturbed, audit
from tests.chaos.owner import Owner, Receipt
from tests.chaos.plan import Plan, Wish
from tests.core.jobs.arranging import SPEC

WEIGHTS = b"weights"
UNDISTURBED = {0: Undisturbed(hashlib.sha256(WEIGHTS).hexdigest(), {1: 0.5, 2: 0.25})}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FolderStore(tmp_path)


@pytest.fixture
def receipt(sqlite_engine: Engine, store: ArtifactStore) -> Receipt:
    """A job that was done as it should be."""
    with transaction(sqlite_engine) as session:
        job = submit(session, owner="ada", spec=SPEC, resolved=None)
        session.add(
            IdempotencyKeyRow(
                owner="ada", key="k", request_sha256="d", resource_id=job.id, created_at=now(session)
            )
        )
        claimed = claim(session, "wrk", 60)
        assert claimed is not None
        lease = claimed.lease
        report_started(session, lease)
        record_metrics(session, lease, [Point(1, {"loss": 0.5}), Point(2, {"loss": 0.25})])
        gone = commit_checkpoint(session, lease, step=2, location="c", manifest={}, size_bytes=1)
        gone.deleted_at = now(session)
        folder = store.encoder_folder("enc_1")
        folder.mkdir(parents=True)
        (folder / "encoder.safetensors").write_bytes(WEIGHTS)
        digest = UNDISTURBED[0].sha256
        encoder = EncoderFile("enc_1", store.location_of(folder), digest, len(WEIGHTS), {})
        succeed_pretrain(session, lease, encoder=encoder, result={})
        watched = list(range(1, job.last_event + 1))
    return Receipt(Wish(0, "nothing", 0.0, watched=True), "k", job.id, 0.0, watched=watched)


def find(engine: Engine, store: ArtifactStore, receipt: Receipt) -> Findings:
    with transaction(engine) as session:
        return audit(session, store, [receipt], UNDISTURBED)


def test_a_job_done_as_it_should_be_has_no_violation(
    sqlite_engine: Engine, store: ArtifactStore, receipt: Receipt
) -> None:
    findings = find(sqlite_engine, store, receipt)
    assert findings.violations == []
    assert (findings.jobs, findings.attempts, findings.lost, findings.doubled) == (1, 1, 0, 0)


def _late_checkpoint(session: Session) -> None:
    session.execute(update(CheckpointRow).values(created_at=now(session) + timedelta(seconds=9)))


def _second_job(session: Session) -> None:
    submit(session, owner="ada", spec=SPEC, resolved=None)


def _second_encoder(session: Session) -> None:
    first = session.get_one(EncoderRow, "enc_1")
    fields = {column.name: getattr(first, column.name) for column in EncoderRow.__table__.columns}
    session.add(EncoderRow(**{**fields, "id": "enc_2", "version": 2}))


PLANTED: list[tuple[str, Callable[[Session], object]]] = [
    ("a gap", lambda session: session.execute(delete(JobEventRow).where(JobEventRow.sequence == 3))),
    ("is lost", lambda session: session.execute(update(JobRow).values(state="running"))),
    (
        "cannot be",
        lambda session: session.execute(
            update(JobEventRow).where(JobEventRow.sequence == 1).values(data={"from": None, "to": "paused"})
        ),
    ),
    (
        "after its end",
        lambda session: session.execute(
            update(JobEventRow).where(JobEventRow.type == "metric").values(sequence=99)
        ),
    ),
    ("still holds a lease", lambda session: session.execute(update(JobRow).values(lease_token="t"))),
    ("not numbered", lambda session: session.execute(delete(JobAttemptRow))),
    ("outside attempt", _late_checkpoint),
    ("nobody was promised", _second_job),
    ("2 encoders", _second_encoder),
    ("undisturbed", lambda session: session.execute(update(EncoderRow).values(sha256="0" * 64))),
    ("lack steps", lambda session: session.execute(delete(JobMetricRow).where(JobMetricRow.step == 2))),
    (
        "at steps [2]",
        lambda session: session.execute(
            update(JobMetricRow).where(JobMetricRow.step == 2).values(value=0.2501)
        ),
    ),
    ("ended as", lambda session: session.execute(update(JobRow).values(state="failed"))),
    ("its watcher saw", lambda session: session.execute(update(JobRow).values(last_event=99))),
]


@pytest.mark.parametrize(("telling", "plant"), PLANTED, ids=[telling for telling, _ in PLANTED])
def test_a_planted_fault_is_found(
    sqlite_engine: Engine,
    store: ArtifactStore,
    receipt: Receipt,
    telling: str,
    plant: Callable[[Session], object],
) -> None:
    with transaction(sqlite_engine) as session:
        plant(session)
    violations = find(sqlite_engine, store, receipt).violations
    assert any(telling in violation for violation in violations or []), violations


def test_weights_that_changed_on_disk_are_found(
    sqlite_engine: Engine, store: ArtifactStore, receipt: Receipt
) -> None:
    (store.encoder_folder("enc_1") / "encoder.safetensors").write_bytes(b"others")
    assert "undisturbed" in str(find(sqlite_engine, store, receipt).violations)


def test_a_storm_without_jobs_has_shown_nothing(sqlite_engine: Engine, store: ArtifactStore) -> None:
    with transaction(sqlite_engine) as session:
        assert audit(session, store, [], UNDISTURBED).violations


def test_an_owner_who_ends_early_is_reported() -> None:
    owner = Owner(Client("http://127.0.0.1:9", "sf_a_b"), Plan(1), {}, most_unfinished=1)
    with pytest.raises(KeyError):
        owner.run()
    assert "ended: KeyError" in owner.faults[0]
