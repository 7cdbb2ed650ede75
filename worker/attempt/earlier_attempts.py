"""Recovery of what earlier attempts saved but could not report: checkpoints, logs and metrics.

Their supervisors were killed, or the database was unavailable. Their programs have ended.
"""

from sqlalchemy import Engine

from core.jobs.database import reading, transaction
from core.jobs.ledger.fence import Lease
from core.jobs.ledger.leases import Claim
from core.jobs.ledger.reports import checkpoint_locations, commit_checkpoint, resumable_checkpoints
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.manifests import size_of
from worker.attempt import journal
from worker.attempt.checkpoints import Resume, choose, unrecorded
from worker.attempt.program_log import store_rest


def recover_files(engine: Engine, lease: Lease, store: ArtifactStore, *, max_log_bytes: int) -> None:
    """Commit complete checkpoints without a row, and store the rest of the logs.

    Raises:
        LeaseLost: the lease no longer holds.
    """
    with reading(engine) as session:
        known = checkpoint_locations(session, lease.job_id)
    for location, manifest in unrecorded(lease.job_id, known, store):
        with transaction(engine) as session:
            commit_checkpoint(
                session,
                lease,
                step=int(manifest["step"]),
                location=location,
                manifest=manifest,
                size_bytes=size_of(manifest),
            )
    with transaction(engine) as session:
        store_rest(session, lease, store, before=lease.attempt, max_bytes=max_log_bytes)


def resume_point(engine: Engine, claim: Claim, store: ArtifactStore) -> Resume:
    """Choose the checkpoint to resume from, and store the metrics of earlier steps, which are not run again.

    Raises:
        LeaseLost: the lease no longer holds.
        StorageError: the store does not respond, or the disk is full.
    """
    with reading(engine) as session:
        rows = resumable_checkpoints(session, claim)
    resume = choose(rows, store)
    if resume.row is not None and resume.row.job_id == claim.job_id:
        with transaction(engine) as session:
            journal.adopt_metrics(session, claim.lease, store, until_step=resume.row.step)
    return resume
