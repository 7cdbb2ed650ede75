"""Which checkpoints are complete, and which one a job resumes from."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.errors import CheckpointError, StorageAway
from core.jobs.storage.artifacts import ArtifactStore
from core.jobs.storage.folder_store import FolderStore
from core.jobs.storage.manifests import MANIFEST, size_of, verify
from core.jobs.tables.artifacts import CheckpointRow
from tests.core.jobs.kept import bucket_store, make_checkpoint, open_again
from tests.servers.s3 import S3Server
from worker.attempt.checkpoints import choose, unrecorded


def save(store: ArtifactStore, step: int, *, attempt: int = 1) -> CheckpointRow:
    """A whole checkpoint in the store, and its row."""
    folder = make_checkpoint(store, step, attempt=attempt)
    store.commit_checkpoint(folder).result(20)
    return CheckpointRow(
        id=f"ckp_{attempt}_{step}",
        job_id="job_1",
        attempt=attempt,
        step=step,
        location=store.location_of(folder),
        manifest=verify(folder),
        size_bytes=0,
        created_at=datetime.now(UTC),
    )


def damage(store: ArtifactStore, row: CheckpointRow, name: str) -> None:
    """Empty a file of a checkpoint, here and in the store."""
    folder = store.local_path(row.location)
    (folder / name).write_bytes(b"")
    store.commit_checkpoint(folder).result(20)


def test_a_whole_checkpoint_is_verified(store: ArtifactStore) -> None:
    manifest = verify(store.local_path(save(store, 7).location))
    assert manifest["step"] == 7
    assert size_of(manifest) == 8


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "no manifest", "half a manifest", "list"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    store = FolderStore(tmp_path)
    folder = store.local_path(save(store, 7).location)
    weights, manifest = folder / "weights", folder / "manifest.json"
    if damage == "flip":
        weights.write_bytes(b"W" + weights.read_bytes()[1:])
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "remove":
        weights.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "half a manifest":
        manifest.write_text(manifest.read_text()[:-9])
    else:
        manifest.write_text("[]")
    with pytest.raises(CheckpointError):
        verify(folder)


def test_the_newest_whole_one_is_chosen_and_the_others_are_explained(store: ArtifactStore) -> None:
    rows = [save(store, step) for step in (30, 20, 10)]
    assert choose(rows, store).row is rows[0]
    damage(store, rows[0], "weights")
    resume = choose(rows, store)
    assert resume.row is rows[1]
    assert "step 30" in resume.remarks[0]
    assert "step 20" in resume.remarks[-1]


def test_without_a_whole_one_it_starts_from_the_beginning_and_says_so(store: ArtifactStore) -> None:
    assert choose([], store) == (None, ())
    row = save(store, 10)
    damage(store, row, "queues")
    resume = choose([row], store)
    assert resume.row is None
    assert "from the beginning" in resume.remarks[-1]


def test_another_host_goes_on_from_what_is_in_the_store(store: ArtifactStore, tmp_path: Path) -> None:
    row = save(store, 10)
    elsewhere = open_again(store, tmp_path / "elsewhere")
    assert choose([row], elsewhere).row is row
    assert (elsewhere.local_path(row.location) / "weights").read_bytes() == b"w" * 10
    assert (elsewhere.local_path(row.location) / MANIFEST).exists()


@pytest.mark.system
def test_a_store_that_is_away_does_not_make_a_job_begin_anew(s3: S3Server, tmp_path: Path) -> None:
    here, bucket = tmp_path / "here", s3.make_bucket()
    row = save(bucket_store(s3, bucket, here), 10)
    elsewhere = bucket_store(s3, bucket, tmp_path / "elsewhere", storage_patience_seconds=0.5)
    s3.suspend()
    try:
        with pytest.raises(StorageAway):
            choose([row], elsewhere)
    finally:
        s3.resume()
    assert choose([row], elsewhere).row is row


def test_whole_checkpoints_without_a_row_are_found(store: ArtifactStore) -> None:
    known, lost, broken = save(store, 1), save(store, 2), save(store, 3, attempt=2)
    damage(store, broken, "weights")
    found = unrecorded("job_1", {known.location}, store)
    assert [(location, manifest["step"]) for location, manifest in found] == [(lost.location, 2)]
